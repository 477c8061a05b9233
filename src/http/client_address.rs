//! Where a request comes from, for rate limits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;

use super::Error;

/// Where a request comes from: an IPv4 address, or a network of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let noted = parts.extensions.get::<Self>().copied();
        noted.ok_or_else(|| Error::internal("a route is not behind the rate limits"))
    }
}

/// The caller's address as far as it can be trusted.
///
/// Each trusted proxy appends the address that it sees to `X-Forwarded-For`, so that with `trusted_proxies` of them the
/// caller's is that many from the right; anything further left is the caller's own invention. IPv6 counts by its /64.
pub fn client_address(request: &Request, trusted_proxies: usize) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let forwarded = trusted_proxies.checked_sub(1).and_then(|hops| {
        let values = request.headers().get_all("x-forwarded-for").iter().rev();
        let mut addresses = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
        addresses.nth(hops).and_then(|text| text.trim().parse().ok())
    });
    network(forwarded.or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use axum::body::Body;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted_proxies: usize) -> String {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        for value in forwarded {
            request.headers_mut().append("x-forwarded-for", value.parse().unwrap());
        }
        client_address(&request, trusted_proxies).to_string()
    }

    #[test]
    fn a_forwarded_address_counts_only_as_far_as_proxies_are_trusted() {
        assert_eq!(seen("10.0.0.1", &["1.2.3.4"], 0), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["9.9.9.9, 1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(seen("10.0.0.1", &["9.9.9.9", "1.2.3.4, 10.0.0.2"], 2), "1.2.3.4");
        assert_eq!(seen("10.0.0.1", &["nonsense"], 1), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[], 3), "10.0.0.1");
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        assert_eq!(seen("2001:db8:1:2:3:4:5:6", &[], 0), "2001:db8:1:2::");
        assert_eq!(seen("::ffff:1.2.3.4", &[], 0), "1.2.3.4");
    }
}
