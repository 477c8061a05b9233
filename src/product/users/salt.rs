//! Salts of wallets' addresses.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::foundation::{BlindIndexer, Mode, Phone, TenantId};

/// The CREATE2 salt of the wallet that a phone number gets. `generation` counts how many customers have left the number
/// before: each who takes it up gets a wallet of their own, whose address nobody had.
///
/// The first generation's salt is the indexer's. Later ones are derived from it under the blind index, because a salt
/// is public once its wallet is deployed: who sees the chain alone cannot tell that two wallets had one number.
pub fn wallet_salt(indexer: &BlindIndexer, tenant: TenantId, mode: Mode, phone: &Phone, generation: u64) -> [u8; 32] {
    let first = indexer.wallet_salt(tenant, mode, phone);
    if generation == 0 {
        return first;
    }
    let key = indexer.phone(tenant, mode, phone);
    // `Hmac` accepts a key of any length.
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_str().as_bytes());
    let mut mac = mac.unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(&first);
    mac.update(&generation.to_be_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::foundation::MasterKey;

    #[test]
    fn every_generation_of_every_number_has_a_salt_of_its_own() {
        let indexer = BlindIndexer::new(&MasterKey::new([7; 32]));
        let (acme, globex) = (TenantId::new(), TenantId::new());
        let phones = ["+2250700000001", "+2250700000002"].map(|text| Phone::parse(text).unwrap());
        let mut seen = HashSet::new();
        for tenant in [acme, globex] {
            for mode in [Mode::Live, Mode::Test] {
                for phone in &phones {
                    for generation in 0..4 {
                        assert!(seen.insert(wallet_salt(&indexer, tenant, mode, phone, generation)));
                    }
                    let first = wallet_salt(&indexer, tenant, mode, phone, 0);
                    assert_eq!(first, indexer.wallet_salt(tenant, mode, phone), "addresses that exist stay");
                }
            }
        }
    }
}
