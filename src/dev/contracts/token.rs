//! USDC and a second token on the local chain: Circle's own FiatTokenV2_2, so that blacklist, pause and EIP-3009 are
//! the real ones.

use alloy::primitives::{Address, B256, Bytes, U256, address, b256};
use alloy::sol;
use alloy::sol_types::SolCall;

use super::sender::{Call, DEPLOYING};

/// USDC's address on Polygon.
pub const USDC: Address = address!("3c499c542cEF5E3811e1192ce70d8cC03d5c3359");
/// USDT's address on Polygon; here the code behind it is Circle's too.
pub const USDT: Address = address!("c2132D05D31c914a87C6611C10748AEb04B58e8F");

/// Where FiatTokenProxy keeps its implementation: keccak-256 of `org.zeppelinos.proxy.implementation`.
pub(super) const IMPLEMENTATION_SLOT: B256 = b256!("7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3");
/// And its admin, who alone cannot use the token: keccak-256 of `org.zeppelinos.proxy.admin`.
pub(super) const ADMIN_SLOT: B256 = b256!("10d6a54a4754c8869d6886b5f5d7fbfa5b4522237ea5c60d11bc4e7a1ff9390b");
/// Nobody's.
pub(super) const PROXY_ADMIN: Address = address!("000000000000000000000000000000000000dEaD");

sol! {
    interface FiatToken {
        function initialize(string tokenName, string tokenSymbol, string tokenCurrency, uint8 tokenDecimals,
            address newMasterMinter, address newPauser, address newBlacklister, address newOwner) external;
        function initializeV2(string newName) external;
        function initializeV2_1(address lostAndFound) external;
        function initializeV2_2(address[] accountsToBlacklist, string newSymbol) external;
        function configureMinter(address minter, uint256 minterAllowedAmount) external returns (bool);
        function isMinter(address account) external view returns (bool);
        function mint(address to, uint256 amount) external returns (bool);
        function blacklist(address account) external;
        function unBlacklist(address account) external;
        function pause() external;
        function unpause() external;
    }
}

/// A token to be set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub address: Address,
    pub name: &'static str,
    pub symbol: &'static str,
}

pub(super) const TOKENS: [Token; 2] = [
    Token { address: USDC, name: "USD Coin", symbol: "USDC" },
    Token { address: USDT, name: "Tether USD", symbol: "USDT" },
];

impl Token {
    /// What gives the token its name and its roles, all of them to [`DEPLOYING`], once its code is there.
    pub(super) fn initialisation(self) -> Vec<Call> {
        let Token { address, name, symbol } = self;
        vec![
            call(
                address,
                &FiatToken::initializeCall {
                    tokenName: name.into(),
                    tokenSymbol: symbol.into(),
                    tokenCurrency: "USD".into(),
                    tokenDecimals: 6,
                    newMasterMinter: DEPLOYING,
                    newPauser: DEPLOYING,
                    newBlacklister: DEPLOYING,
                    newOwner: DEPLOYING,
                },
            ),
            call(address, &FiatToken::initializeV2Call { newName: name.into() }),
            call(address, &FiatToken::initializeV2_1Call { lostAndFound: DEPLOYING }),
            call(address, &FiatToken::initializeV2_2Call { accountsToBlacklist: vec![], newSymbol: symbol.into() }),
            call(address, &FiatToken::configureMinterCall { minter: DEPLOYING, minterAllowedAmount: U256::MAX }),
        ]
    }
}

/// A call with gas enough for anything a token does.
pub(super) fn call(to: Address, call: &impl SolCall) -> Call {
    Call { to, input: Bytes::from(call.abi_encode()), gas: 500_000 }
}
