//! A signer elsewhere: each signature within a time limit, counted, and its failures told in one line.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, ChainId, Signature};
use alloy::signers::{Error, Result, Signer};
use async_trait::async_trait;

use crate::chain::SharedSigner;

/// A signer that is reached over the network.
pub(super) struct Remote<S> {
    signer: S,
    service: &'static str,
    time_limit: Duration,
}

impl<S: Signer + Send + Sync + 'static> Remote<S> {
    pub(super) fn shared(signer: S, service: &'static str, time_limit: Duration) -> SharedSigner {
        Arc::new(Self { signer, service, time_limit })
    }

    async fn sign(&self, hash: &B256) -> Result<Signature> {
        let signature = tokio::time::timeout(self.time_limit, self.signer.sign_hash(hash))
            .await
            .map_err(|_| Error::message(format!("{} has not signed within {:?}", self.service, self.time_limit)))?
            .map_err(|error| Error::message(format!("{}: {}", self.service, in_one_line(&error))))?;
        // High s is malleable, and refused by transactions (EIP-2) and contracts; another key's signature by all.
        let signature = signature.normalized_s();
        match signature.recover_address_from_prehash(hash) {
            Ok(address) if address == self.signer.address() => Ok(signature),
            Ok(_) | Err(_) => Err(Error::message(format!("{} has signed with another key", self.service))),
        }
    }
}

#[async_trait]
impl<S: Signer + Send + Sync + 'static> Signer for Remote<S> {
    async fn sign_hash(&self, hash: &B256) -> Result<Signature> {
        let asked = Instant::now();
        let signed = self.sign(hash).await;
        metrics::histogram!("diolkos_signer_seconds", "signer" => self.service).record(asked.elapsed());
        if signed.is_err() {
            metrics::counter!("diolkos_signer_errors_total", "signer" => self.service).increment(1);
        }
        signed
    }

    fn address(&self) -> Address {
        self.signer.address()
    }

    fn chain_id(&self) -> Option<ChainId> {
        self.signer.chain_id()
    }

    fn set_chain_id(&mut self, chain_id: Option<ChainId>) {
        self.signer.set_chain_id(chain_id);
    }
}

/// An error with its causes, which say more than it does.
pub(super) fn in_one_line(error: &(dyn StdError + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    told.replace(['\n', '\r'], " ")
}
