//! Whether a signature is a wallet's.

use alloy::primitives::{Address, B256, Bytes, Signature};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolValue;

use crate::chain::{Rpc, RpcError};

/// Asks an account, in the code of a call (`contracts/SignatureCheck.sol`).
const CHECK: &str = include_str!("../../../contracts/out/SignatureCheck.json");

/// Bytes of a signature at most: an account that is not deployed sends its factory's call with it.
const LONGEST: usize = 16 << 10;

/// Gas of asking an account at most: its code is anybody's.
const MOST_GAS: u64 = 2_000_000;

/// Whether the wallet has signed one of these digests by its own word, if it is a contract.
pub async fn is_of_contract(rpc: &Rpc, wallet: Address, digests: &[B256], signature: &Bytes) -> Result<bool, RpcError> {
    let has_no_code = !says_how_to_deploy(signature) && rpc.code(wallet).await?.is_empty();
    if has_no_code || signature.len() > LONGEST {
        return Ok(false);
    }
    for digest in digests {
        if says_so(rpc, wallet, *digest, signature).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the wallet's key signed one of these digests: 65 bytes, with the lower of the two possible `s` (EIP-2), so that
/// one signature is not two.
pub fn recovers(wallet: Address, digests: &[B256], signature: &Bytes) -> bool {
    let Ok(signature) = Signature::from_raw(signature) else { return false };
    let signed = |digest| signature.recover_address_from_prehash(digest).is_ok_and(|signer| signer == wallet);
    signature.normalize_s().is_none() && digests.iter().any(signed)
}

/// Whether it ends as signatures of accounts do that are not deployed yet (ERC-6492).
fn says_how_to_deploy(signature: &Bytes) -> bool {
    signature.len() >= 32 && signature.chunks(2).rev().take(16).all(|pair| pair == [0x64, 0x92])
}

async fn says_so(rpc: &Rpc, wallet: Address, digest: B256, signature: &Bytes) -> Result<bool, RpcError> {
    let asked = (wallet, digest, signature.clone()).abi_encode_params();
    let code = [check_code()?.to_vec(), asked].concat();
    let call =
        TransactionRequest { gas: Some(MOST_GAS), ..TransactionRequest::default().input(Bytes::from(code).into()) };
    match rpc.simulate(&call).await {
        Ok(answer) => Ok(answer.as_ref() == [1]),
        // Whatever the account does instead of answering is no signature.
        Err(error) if error.is_verdict() => Ok(false),
        Err(error) => Err(error),
    }
}

fn check_code() -> Result<Bytes, RpcError> {
    #[derive(serde::Deserialize)]
    struct Artifact {
        bytecode: Bytes,
    }
    let artifact: Artifact = serde_json::from_str(CHECK)
        .map_err(|_| RpcError::Unavailable("the signature check's artifact is broken".into()))?;
    Ok(artifact.bytecode)
}
