//! Where GCP KMS is reached: Google's own address, a region's, or a private one (Private Service Connect).

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// An origin without a path. Access tokens go there, so that it is reached by TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpEndpoint(String);

impl fmt::Display for GcpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no such origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint is https:// and a host, or http:// and a loopback address, and nothing after that")]
pub struct InvalidEndpoint;

impl FromStr for GcpEndpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let url = Url::parse(text).map_err(|_| InvalidEndpoint)?;
        let is_good = match (url.scheme(), url.host()) {
            // The client takes all that follows https:// for the name in the certificate.
            ("https", Some(Host::Domain(_))) => url.port().is_none(),
            ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
            ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
            _ => false,
        };
        let origin = url.origin().ascii_serialization();
        if is_good && text == origin { Ok(Self(origin)) } else { Err(InvalidEndpoint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_by_tls_or_stay_on_this_machine() {
        for good in ["https://cloudkms.googleapis.com", "https://cloudkms-x.p.googleapis.com", "http://127.0.0.1:9000"]
        {
            assert_eq!(good.parse::<GcpEndpoint>().map(|endpoint| endpoint.to_string()), Ok(good.to_owned()));
        }
        for wrong in [
            "",
            "cloudkms.googleapis.com",
            "http://cloudkms.googleapis.com",
            "http://localhost:9000",
            "https://cloudkms.googleapis.com/",
            "https://cloudkms.googleapis.com:444",
            "https://user@cloudkms.googleapis.com",
            "https://10.0.0.1",
        ] {
            assert_eq!(wrong.parse::<GcpEndpoint>(), Err(InvalidEndpoint), "{wrong}");
        }
    }
}
