//! Where webhooks may go, checked on the very addresses that are connected to.
//!
//! A host is looked up once for each connection, and only addresses that passed the check are handed to the connector: a
//! name that points elsewhere on a second look-up (DNS rebinding) is checked again, because no look-up is left unchecked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::is_public;

/// Longest URL that is taken, in bytes.
const LONGEST: usize = 2048;

/// How long a look-up may take while somebody waits for the answer to a registration.
const LOOKUP_TIME: Duration = Duration::from_secs(2);

/// Why webhooks cannot go somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestination {
    /// It is none, or has parts that make no sense here.
    #[error("must be an absolute URL of at most 2048 characters without user name, password and fragment")]
    Malformed,
    /// The scheme is not allowed.
    #[error("must begin with https://")]
    Scheme,
    /// The host is, or leads to, addresses that are not public.
    #[error("must lead to a public address")]
    NotPublic,
}

/// Finds a host's addresses.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a host now.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Where webhooks may go.
#[derive(Clone)]
pub struct Destinations {
    allow_private: bool,
    lookup: Arc<dyn Lookup>,
}

impl Destinations {
    /// Public addresses by HTTPS; with `allow_private` any address, and plain HTTP too.
    pub fn new(allow_private: bool, lookup: impl Lookup) -> Self {
        Self { allow_private, lookup: Arc::new(lookup) }
    }

    /// Reads a URL and checks what can be told without a look-up.
    pub fn parse(&self, text: &str) -> Result<Url, InvalidDestination> {
        let url = Url::parse(text).map_err(|_| InvalidDestination::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_private => {}
            _ => return Err(InvalidDestination::Scheme),
        }
        let has_more = !url.username().is_empty() || url.password().is_some() || url.fragment().is_some();
        if has_more || url.as_str().len() > LONGEST || url.port() == Some(0) {
            return Err(InvalidDestination::Malformed);
        }
        match url.host() {
            None => Err(InvalidDestination::Malformed),
            // A literal address is connected to without a look-up.
            Some(Host::Ipv4(address)) => self.admit(address.into()).map(|()| url),
            Some(Host::Ipv6(address)) => self.admit(address.into()).map(|()| url),
            Some(Host::Domain(_)) => Ok(url),
        }
    }

    /// The same with a look-up of the host, for whoever registers it. A host that cannot be found at the moment is let
    /// pass: deliveries to it are checked again.
    pub async fn check(&self, text: &str) -> Result<Url, InvalidDestination> {
        let url = self.parse(text)?;
        if let (false, Some(host)) = (self.allow_private, url.domain())
            && let Ok(Ok(found)) = tokio::time::timeout(LOOKUP_TIME, self.lookup.addresses(host)).await
        {
            self.admitted(found)?;
        }
        Ok(url)
    }

    fn admit(&self, address: IpAddr) -> Result<(), InvalidDestination> {
        if self.allow_private || is_public(address) { Ok(()) } else { Err(InvalidDestination::NotPublic) }
    }

    /// Those of a host's addresses that may be connected to; refused when there is none.
    fn admitted(&self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, InvalidDestination> {
        let any = !found.is_empty();
        let admitted: Vec<IpAddr> = found.into_iter().filter(|address| self.admit(*address).is_ok()).collect();
        if any && admitted.is_empty() { Err(InvalidDestination::NotPublic) } else { Ok(admitted) }
    }
}

/// The connector's look-up: what it returns is what is connected to.
impl Resolve for Destinations {
    fn resolve(&self, name: Name) -> Resolving {
        let destinations = self.clone();
        Box::pin(async move {
            let found = destinations.lookup.addresses(name.as_str()).await?;
            let admitted = destinations.admitted(found)?;
            // The connector puts the URL's port in place of 0.
            let addresses: Addrs = Box::new(admitted.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<IpAddr>);

    #[async_trait]
    impl Lookup for Fixed {
        async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    fn parse(text: &str) -> Result<(), InvalidDestination> {
        Destinations::new(false, SystemLookup).parse(text).map(drop)
    }

    #[test]
    fn only_https_to_public_hosts_is_taken() {
        assert_eq!(parse("https://example.com/hooks?a=b"), Ok(()));
        assert_eq!(parse("https://[2606:4700::1111]:8443/"), Ok(()));
        for text in ["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)"] {
            assert_eq!(parse(text), Err(InvalidDestination::Scheme), "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(2048));
        for text in [
            "",
            "example.com",
            "/hooks",
            "https://",
            "https://a:b@example.com/",
            "https://a.b/#c",
            "https://a:0/",
            &long,
        ] {
            assert_eq!(parse(text), Err(InvalidDestination::Malformed), "{text}");
        }
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://１２７.0.0.1/",
        ] {
            assert_eq!(parse(text), Err(InvalidDestination::NotPublic), "{text}");
        }
    }

    #[tokio::test]
    async fn a_host_is_refused_when_it_leads_to_private_addresses_only() {
        let (public, private): (IpAddr, IpAddr) = ([8, 8, 8, 8].into(), [10, 0, 0, 1].into());
        for (found, expected) in [
            (vec![public], Ok(())),
            (vec![private, public], Ok(())),
            (vec![private], Err(InvalidDestination::NotPublic)),
            (vec![], Ok(())),
        ] {
            let destinations = Destinations::new(false, Fixed(found.clone()));
            assert_eq!(destinations.check("https://example.com/").await.map(drop), expected, "{found:?}");
        }
        let only_public = Destinations::new(false, SystemLookup).admitted(vec![private, public]);
        assert_eq!(only_public, Ok(vec![public]));
        assert_eq!(Destinations::new(true, SystemLookup).admitted(vec![private]), Ok(vec![private]));
    }
}
