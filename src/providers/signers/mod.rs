//! Signers: keys of 32 bytes from configuration, and keys that never leave a key management service.
//!
//! ```text
//! SignerSource   what configuration says: a key, aws-kms:…, gcp-kms:…       pure
//!    │ KeyServices::open   asks for the public key; signs once on trial     once, at start
//! SharedSigner   signs within a time limit, with low s, and counts          the engine knows no more than this
//! ```
//!
//! A signature is a call over the network: none is made while a transaction is open.

mod aws;
mod endpoint;
mod gcp;
mod remote;
mod services;
mod source;

pub use aws::AwsClient;
pub use endpoint::{GcpEndpoint, InvalidEndpoint};
pub use gcp::GcpClient;
pub use services::{KeyServiceSettings, KeyServices, OpenError, Use};
pub use source::{AwsKey, GcpKeyVersion, InvalidSource, SignerSource};
