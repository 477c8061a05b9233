//! Keys from configuration: in this process, or in a key management service (AWS KMS, GCP KMS) that never shows them.
//!
//! ```text
//! SignerSource     what configuration says: a key, aws-kms:…, gcp-kms:…       pure
//!    │ KeyServices::open         asks for the public key; signs once on trial   once, at start
//! SharedSigner     signs within a time limit, with low s, and counts          the engine knows no more than this
//!
//! MasterKeySource  a key, or what a key of a service has encrypted            pure
//!    │ KeyServices::master_key   decrypts it                                    once, at start
//! MasterKey
//! ```
//!
//! A signature is a call over the network: none is made while a transaction is open.

mod aws;
mod endpoint;
mod gcp;
mod master_key;
mod remote;
mod services;
mod source;

pub use aws::AwsClient;
pub use endpoint::{GcpEndpoint, InvalidEndpoint};
pub use gcp::GcpClient;
pub use master_key::{InvalidMasterKey, MasterKeySource};
pub use services::{KeyServiceSettings, KeyServices, OpenError, Use};
pub use source::{AwsKey, GcpKey, GcpKeyVersion, InvalidSource, SignerSource};
