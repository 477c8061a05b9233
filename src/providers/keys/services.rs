//! Opening keys: what configuration names becomes something that signs, or is read.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::keccak256;
use tokio::sync::OnceCell;

use super::aws::{self, AwsClient};
use super::gcp::{self, GcpClient};
use super::remote::Remote;
use super::{GcpEndpoint, MasterKeySource, SignerSource};
use crate::chain::SharedSigner;
use crate::foundation::MasterKey;

/// How many signatures' time a signer may take to be opened: credentials are found, the key is read, a trial signed.
const OPENING: u32 = 3;

/// What a process wants of a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Its address alone.
    Know,
    /// Signatures: one is asked for on trial.
    Sign,
}

/// How key management services are spoken to.
#[derive(Clone, Debug)]
pub struct KeyServiceSettings {
    /// How long one signature may take, its retries included.
    pub time_limit: Duration,
    /// Where GCP KMS is reached.
    pub gcp: GcpEndpoint,
}

/// Why a key cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No answer in time.
    #[error("the service has not answered within {0:?}")]
    TimedOut(Duration),
    /// The key is of no use on an EVM chain.
    #[error("the key is not of the curve secp256k1")]
    OtherCurve,
    /// The service refused, or cannot be reached.
    #[error("the key cannot be read: {0}")]
    Unreadable(String),
    /// What was decrypted is no master key.
    #[error("what it has encrypted is not 32 bytes")]
    NotAMasterKey,
    /// The public key may be read, and nothing may be signed.
    #[error("the key may not sign: {0}")]
    Unsigned(alloy::signers::Error),
}

/// The services that keep keys. Their clients are made when the first key is asked for, and shared.
pub struct KeyServices {
    settings: KeyServiceSettings,
    aws: OnceCell<AwsClient>,
    gcp: OnceCell<GcpClient>,
}

impl KeyServices {
    /// Services that are spoken to with the credentials that their SDKs find. Nothing is asked yet.
    pub fn new(settings: KeyServiceSettings) -> Self {
        Self { settings, aws: OnceCell::new(), gcp: OnceCell::new() }
    }

    /// The same, with a client of AWS KMS of the caller's making.
    pub fn with_aws(self, client: AwsClient) -> Self {
        Self { aws: OnceCell::new_with(Some(client)), ..self }
    }

    /// The same, with a client of GCP KMS of the caller's making.
    pub fn with_gcp(self, client: GcpClient) -> Self {
        Self { gcp: OnceCell::new_with(Some(client)), ..self }
    }

    /// Opens a signer; a key that is elsewhere is asked for, so that this may take seconds.
    pub async fn open(&self, source: &SignerSource, usage: Use) -> Result<SharedSigner, OpenError> {
        let opening = async {
            let signer = Box::pin(self.find(source)).await?;
            if usage == Use::Sign && !matches!(source, SignerSource::Local(_)) {
                // A digest that is no transaction's and no message's.
                let trial = keccak256("diolkos: may this key sign?");
                signer.sign_hash(&trial).await.map_err(OpenError::Unsigned)?;
            }
            Ok(signer)
        };
        self.in_time(opening).await
    }

    /// Reads the master key; one that is encrypted is decrypted by its service, so that this may take seconds.
    pub async fn master_key(&self, source: &MasterKeySource) -> Result<MasterKey, OpenError> {
        let decrypted = match source {
            MasterKeySource::Plain(bytes) => return Ok(MasterKey::new(**bytes)),
            MasterKeySource::AwsKms(key, sealed) => {
                self.in_time(Box::pin(async { aws::decrypt(self.aws().await, key, sealed).await })).await?
            }
            MasterKeySource::GcpKms(key, sealed) => {
                self.in_time(Box::pin(async { gcp::decrypt(self.gcp().await?, key, sealed).await })).await?
            }
        };
        decrypted.as_slice().try_into().map(MasterKey::new).map_err(|_| OpenError::NotAMasterKey)
    }

    async fn in_time<T>(&self, opening: impl Future<Output = Result<T, OpenError>>) -> Result<T, OpenError> {
        let limit = self.settings.time_limit * OPENING;
        tokio::time::timeout(limit, opening).await.map_err(|_| OpenError::TimedOut(limit))?
    }

    async fn aws(&self) -> &AwsClient {
        self.aws.get_or_init(|| aws::connect(self.settings.time_limit)).await
    }

    async fn gcp(&self) -> Result<&GcpClient, OpenError> {
        self.gcp.get_or_try_init(|| gcp::connect(&self.settings.gcp)).await
    }

    async fn find(&self, source: &SignerSource) -> Result<SharedSigner, OpenError> {
        match source {
            SignerSource::Local(signer) => Ok(Arc::new(signer.clone())),
            SignerSource::AwsKms(key) => {
                let signer = aws::open(self.aws().await.clone(), key).await?;
                Ok(Remote::shared(signer, "aws-kms", self.settings.time_limit))
            }
            SignerSource::GcpKms(key) => {
                let signer = gcp::open(self.gcp().await?.clone(), key).await?;
                Ok(Remote::shared(signer, "gcp-kms", self.settings.time_limit))
            }
        }
    }
}
