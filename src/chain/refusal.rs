//! What a node's refusal means. Nodes differ in codes, so the message is read as well (FAULTS 6, 13).

/// What a refusal means to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node has this very transaction.
    AlreadyKnown,
    /// The account's nonce has passed this one.
    NonceTooLow,
    /// There is a gap below this nonce.
    NonceTooHigh,
    /// Another transaction of this nonce offers nearly as much or more.
    ReplacementUnderpriced,
    /// The fee is below the block's base fee or the node's minimum.
    FeeTooLow,
    /// The account cannot pay for gas.
    InsufficientFunds,
    /// The node has no room now.
    PoolFull,
    /// Too many requests.
    RateLimited,
    /// The node does not have the state of the block that was asked for: not yet, or not any more.
    OtherBlock,
    /// The call reverts.
    Reverted,
    /// This transaction can never be accepted as it is.
    Invalid,
    /// Something else.
    Other,
}

impl Refusal {
    /// Whether no other endpoint needs to be asked: what one node says of a transaction holds, but of a question only
    /// that the call reverts; any other refusal may be the node's own trouble.
    pub fn is_final(self, sending: bool) -> bool {
        if sending { !self.is_passing() } else { self == Self::Reverted }
    }

    /// The refusal in a word for metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyKnown => "already_known",
            Self::NonceTooLow => "nonce_too_low",
            Self::NonceTooHigh => "nonce_too_high",
            Self::ReplacementUnderpriced => "replacement_underpriced",
            Self::FeeTooLow => "fee_too_low",
            Self::InsufficientFunds => "insufficient_funds",
            Self::PoolFull => "pool_full",
            Self::RateLimited => "rate_limited",
            Self::OtherBlock => "other_block",
            Self::Reverted => "reverted",
            Self::Invalid => "invalid",
            Self::Other => "other",
        }
    }

    /// Whether asking again later, or another endpoint, may succeed without any change.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::PoolFull | Self::RateLimited | Self::OtherBlock)
    }
}

/// How nodes begin to tell that a call reverts.
const REVERTS: [&str; 3] = ["execution reverted", "vm execution error", "vm exception"];

/// Words that nodes use (geth, bor, erigon, nethermind, reth, anvil and those who rent them out), in lower case, and what
/// they mean. The first match counts, so what is more particular comes first.
const WORDS: &[(&str, Refusal)] = &[
    ("already known", Refusal::AlreadyKnown),
    ("already imported", Refusal::AlreadyKnown),
    ("alreadyknown", Refusal::AlreadyKnown),
    ("existing txn with same hash", Refusal::AlreadyKnown),
    ("unknown transaction", Refusal::Invalid),
    ("known transaction", Refusal::AlreadyKnown),
    ("replacement transaction underpriced", Refusal::ReplacementUnderpriced),
    ("replacementnotallowed", Refusal::ReplacementUnderpriced),
    ("could not replace existing", Refusal::ReplacementUnderpriced),
    ("max fee per gas less than block base fee", Refusal::FeeTooLow),
    ("fee cap less than block base fee", Refusal::FeeTooLow),
    ("gas price below minimum", Refusal::FeeTooLow),
    ("priority fee below minimum", Refusal::FeeTooLow),
    ("gas price too low", Refusal::FeeTooLow),
    ("tip needed", Refusal::FeeTooLow),
    ("feetoolow", Refusal::FeeTooLow),
    ("fee too low", Refusal::FeeTooLow),
    ("underpriced", Refusal::FeeTooLow),
    ("nonce too low", Refusal::NonceTooLow),
    ("nonce is too low", Refusal::NonceTooLow),
    ("oldnonce", Refusal::NonceTooLow),
    ("nonce too high", Refusal::NonceTooHigh),
    ("noncegap", Refusal::NonceTooHigh),
    ("nonce gap", Refusal::NonceTooHigh),
    ("gapped-nonce", Refusal::NonceTooHigh),
    ("nonce too far in future", Refusal::NonceTooHigh),
    ("noncetoofarinfuture", Refusal::NonceTooHigh),
    ("insufficient funds", Refusal::InsufficientFunds),
    ("insufficientfunds", Refusal::InsufficientFunds),
    ("pool is full", Refusal::PoolFull),
    ("account limit exceeded", Refusal::PoolFull),
    ("in-flight transaction limit", Refusal::PoolFull),
    ("authority already reserved", Refusal::PoolFull),
    ("spammer", Refusal::PoolFull),
    ("too many requests", Refusal::RateLimited),
    ("rate limit", Refusal::RateLimited),
    ("exceeded its compute units", Refusal::RateLimited),
    ("request limit", Refusal::RateLimited),
    ("query returned more than", Refusal::Other),
    ("blockoutofrange", Refusal::OtherBlock),
    ("block range", Refusal::Other),
    ("header not found", Refusal::OtherBlock),
    ("header for hash not found", Refusal::OtherBlock),
    ("block not found", Refusal::OtherBlock),
    ("resource not found", Refusal::OtherBlock),
    ("unknown block", Refusal::OtherBlock),
    ("missing trie node", Refusal::OtherBlock),
    ("historical state", Refusal::OtherBlock),
    ("no state available", Refusal::OtherBlock),
    ("pruned history unavailable", Refusal::OtherBlock),
    ("node is syncing", Refusal::OtherBlock),
    ("intrinsic gas", Refusal::Invalid),
    ("intrinsicgas", Refusal::Invalid),
    ("floor data gas", Refusal::Invalid),
    ("gas uint64 overflow", Refusal::Invalid),
    ("gasuintoverflow", Refusal::Invalid),
    ("exceeds block gas limit", Refusal::Invalid),
    ("gas limit reached", Refusal::Invalid),
    ("gaslimitexceeded", Refusal::Invalid),
    ("gas limit too high", Refusal::Invalid),
    ("gas limit is too high", Refusal::Invalid),
    ("transaction gas limit", Refusal::Invalid),
    ("oversized data", Refusal::Invalid),
    ("rlptoolong", Refusal::Invalid),
    ("transaction too large", Refusal::Invalid),
    ("transaction type not supported", Refusal::Invalid),
    ("transaction type is not activated", Refusal::Invalid),
    ("unsupported transaction type", Refusal::Invalid),
    ("not supported by the current hardfork", Refusal::Invalid),
    ("not supported before the", Refusal::Invalid),
    ("priority fee per gas higher than max fee", Refusal::Invalid),
    ("sender not an eoa", Refusal::Invalid),
    ("sender is not an eoa", Refusal::Invalid),
    ("invalid sender", Refusal::Invalid),
    ("failed to recover sender", Refusal::Invalid),
    ("invalid transaction signature", Refusal::Invalid),
    ("invalid chain id", Refusal::Invalid),
    ("wrong chainid", Refusal::Invalid),
];

/// Reads a refusal by its words first and by its code (JSON-RPC, EIP-1474) only when they say nothing.
pub fn classify(code: i64, message: &str) -> Refusal {
    let message = message.to_lowercase();
    // What a contract says when it reverts is its own affair.
    if REVERTS.iter().any(|words| message.starts_with(words)) {
        return Refusal::Reverted;
    }
    let by_words = WORDS.iter().find(|(words, _)| message.contains(words)).map(|(_, kind)| *kind);
    by_words.unwrap_or(match code {
        3 => Refusal::Reverted,
        429 | -32005 | -32029 => Refusal::RateLimited,
        _ => Refusal::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::Refusal::*;
    use super::*;

    /// What nodes really say: the client or the service, the code, the words, and what that means.
    const SAID: &[(&str, i64, &str, Refusal)] = &[
        ("geth", -32000, "already known", AlreadyKnown),
        ("geth 1.9", -32000, "known transaction: 9a2d3c4b", AlreadyKnown),
        ("geth", -32000, "nonce too low: next nonce 5, tx nonce 4", NonceTooLow),
        ("geth", -32000, "nonce too high: tx nonce 9, gapped nonce 7", NonceTooHigh),
        ("geth", -32000, "gapped-nonce tx from delegated accounts", NonceTooHigh),
        ("geth", -32000, "replacement transaction underpriced", ReplacementUnderpriced),
        ("geth", -32000, "transaction underpriced: tip needed 25000000000, tip permitted 1000000000", FeeTooLow),
        ("geth", -32000, "transaction gas price below minimum: gas tip cap 1, minimum needed 1000000", FeeTooLow),
        (
            "geth",
            -32000,
            "max fee per gas less than block base fee: address 0x00, maxFeePerGas: 1, baseFee: 7",
            FeeTooLow,
        ),
        (
            "geth",
            -32000,
            "insufficient funds for gas * price + value: balance 0, tx cost 21000, overshot 21000",
            InsufficientFunds,
        ),
        ("geth", -32000, "insufficient funds for transfer", InsufficientFunds),
        ("geth", -32000, "txpool is full", PoolFull),
        ("geth", -32000, "account limit exceeded: pooled 16 txs", PoolFull),
        ("geth", -32000, "in-flight transaction limit reached for delegated accounts", PoolFull),
        ("geth", -32000, "authority already reserved", PoolFull),
        ("geth", -32000, "intrinsic gas too low: gas 20000, minimum needed 21000", Invalid),
        ("geth", -32000, "insufficient gas for floor data gas cost: gas 30000, minimum needed 61000", Invalid),
        ("geth", -32000, "gas uint64 overflow", Invalid),
        ("geth", -32000, "exceeds block gas limit", Invalid),
        ("geth", -32000, "transaction gas limit too high (cap: 16777216, tx: 20000000)", Invalid),
        ("geth", -32000, "oversized data: transaction size 140000, limit 131072", Invalid),
        ("geth", -32000, "transaction type not supported: tx type 4 not supported by this pool", Invalid),
        ("geth", -32000, "max priority fee per gas higher than max fee per gas", Invalid),
        ("geth", -32000, "invalid sender: invalid chain id for signer: have 1 want 137", Invalid),
        ("geth", -32000, "sender not an eoa: address 0x00, len(code): 23", Invalid),
        ("geth", -32000, "header not found", OtherBlock),
        ("geth", -32000, "header for hash not found", OtherBlock),
        ("geth", -32000, "missing trie node 3f1c (path ) state 0x3f1c is not available, not found", OtherBlock),
        ("geth", -32000, "required historical state unavailable (reexec=128)", OtherBlock),
        ("geth", 4444, "pruned history unavailable", OtherBlock),
        ("geth", 3, "execution reverted: ERC20: transfer amount exceeds balance", Reverted),
        ("geth", 3, "execution reverted: insufficient funds, rate limit", Reverted),
        ("geth", -32000, "execution reverted", Reverted),
        ("geth", -32000, "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)", Other),
        ("geth", -32000, "gas required exceeds allowance (100000)", Other),
        ("geth", -32602, "invalid block range params", Other),
        ("geth", -32601, "the method eth_getBlockReceipts does not exist/is not available", Other),
        ("bor", -32000, "transaction underpriced", FeeTooLow),
        ("bor", -32000, "max fee per gas less than block base fee", FeeTooLow),
        ("bor", -32000, "unknown block", OtherBlock),
        ("bor", -32000, "transaction gas price below minimum: gas tip cap 1, minimum needed 25000000000", FeeTooLow),
        ("erigon", -32000, "fee cap less than block base fee", FeeTooLow),
        ("erigon", -32000, "ALREADY_EXISTS: already known", AlreadyKnown),
        ("erigon", -32000, "ALREADY_EXISTS: existing txn with same hash", AlreadyKnown),
        ("erigon", -32000, "INVALID: nonce too low", NonceTooLow),
        ("erigon", -32000, "FEE_TOO_LOW: underpriced", FeeTooLow),
        ("erigon", -32000, "FEE_TOO_LOW: fee too low", FeeTooLow),
        ("erigon", -32000, "INTERNAL_ERROR: could not replace existing tx", ReplacementUnderpriced),
        ("erigon", -32000, "INTERNAL_ERROR: replacement transaction underpriced", ReplacementUnderpriced),
        ("erigon", -32000, "INTERNAL_ERROR: insufficient funds", InsufficientFunds),
        ("erigon", -32000, "INTERNAL_ERROR: pending sub-pool is full", PoolFull),
        ("erigon", -32000, "INTERNAL_ERROR: baseFee sub-pool is full", PoolFull),
        ("erigon", -32000, "INTERNAL_ERROR: queued sub-pool is full", PoolFull),
        ("erigon", -32000, "INTERNAL_ERROR: spammer", PoolFull),
        ("erigon", -32000, "INTERNAL_ERROR: IntrinsicGas", Invalid),
        ("erigon", -32000, "INTERNAL_ERROR: GasUintOverflow", Invalid),
        ("erigon", -32000, "INTERNAL_ERROR: RLPTooLong", Invalid),
        ("erigon", -32000, "INTERNAL_ERROR: gas limit is too high", Invalid),
        ("erigon", -32000, "INTERNAL_ERROR: fork supporting this transaction type is not activated yet", Invalid),
        ("erigon", -32000, "invalid chain id, expected: 137 got: 1", Invalid),
        ("nethermind", -32010, "already known", AlreadyKnown),
        ("nethermind 1.30", -32010, "AlreadyKnown", AlreadyKnown),
        ("nethermind 1.30", -32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", NonceTooLow),
        ("nethermind 1.30", -32010, "NonceGap, Future nonce. Expected nonce: 5", NonceTooHigh),
        ("nethermind 1.30", -32010, "NonceTooFarInFuture", NonceTooHigh),
        ("nethermind", -32010, "nonce too far in future", NonceTooHigh),
        ("nethermind", -32010, "delegation nonce gap", NonceTooHigh),
        ("nethermind 1.30", -32010, "ReplacementNotAllowed", ReplacementUnderpriced),
        ("nethermind 1.30", -32010, "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7", FeeTooLow),
        ("nethermind 1.30", -32010, "FeeTooLowToCompete", FeeTooLow),
        ("nethermind 1.30", -32010, "InsufficientFunds, Account balance: 0, cumulative cost: 21000", InsufficientFunds),
        ("nethermind 1.30", -32010, "GasLimitExceeded, Gas limit: 30000000", Invalid),
        ("nethermind", -32010, "gas limit reached", Invalid),
        ("nethermind", -32010, "failed to recover sender", Invalid),
        ("nethermind", -32010, "transaction too large", Invalid),
        ("nethermind", -32010, "unsupported transaction type", Invalid),
        ("nethermind", -32010, "node is syncing", OtherBlock),
        ("nethermind", -32002, "No state available for block 0x3f1c", OtherBlock),
        ("nethermind", -32015, "VM execution error.", Reverted),
        ("reth", -32000, "nonce too low: next nonce 5, tx nonce 4", NonceTooLow),
        ("reth", -32003, "insufficient funds for gas * price + value: have 0 want 21000", InsufficientFunds),
        ("reth", -32003, "transaction priority fee below minimum required priority fee 1000000", FeeTooLow),
        ("reth", -32000, "intrinsic gas too high", Invalid),
        ("reth", -32003, "gas limit too high", Invalid),
        ("reth", -32003, "sender is not an EOA", Invalid),
        ("reth", -32602, "invalid transaction signature", Invalid),
        ("reth", -32000, "invalid chain ID", Invalid),
        ("reth", -32001, "block not found: 0x3f1c", OtherBlock),
        ("anvil", -32003, "transaction already imported", AlreadyKnown),
        ("anvil", -32003, "nonce too low", NonceTooLow),
        ("anvil", -32003, "replacement transaction underpriced", ReplacementUnderpriced),
        ("anvil", -32003, "max fee per gas less than block base fee", FeeTooLow),
        ("anvil", -32003, "Insufficient funds for gas * price + value", InsufficientFunds),
        ("anvil", -32000, "intrinsic gas too high -- CallerGasLimitMoreThanBlock", Invalid),
        (
            "anvil",
            -32003,
            "Transaction gas limit is greater than the block gas limit, gas_limit: 20000000, cap: 16777216",
            Invalid,
        ),
        ("anvil", -32003, "invalid chain id for signer", Invalid),
        ("anvil", -32602, "EIP-7702 fields received but is not supported by the current hardfork.", Invalid),
        ("anvil", -32003, "EIP-7702 authorization lists are not supported before the Prague hardfork", Invalid),
        ("anvil", -32602, "BlockOutOfRangeError: block height is 10 but requested was 12", OtherBlock),
        ("anvil", -32001, "Resource not found", OtherBlock),
        ("anvil", 3, "execution reverted: FiatToken: blacklisted", Reverted),
        ("openethereum", -32010, "Transaction nonce is too low. Try incrementing the nonce.", NonceTooLow),
        ("openethereum", -32010, "Transaction gas price too low. There is another transaction.", FeeTooLow),
        ("besu", -32009, "Gas price too low", FeeTooLow),
        ("besu", -32000, "Wrong chainId", Invalid),
        ("ganache", -32000, "VM Exception while processing transaction: revert", Reverted),
        ("alchemy", 429, "Your app has exceeded its compute units per second capacity.", RateLimited),
        ("infura", -32005, "daily request count exceeded, request rate limited", RateLimited),
        ("infura", -32005, "query returned more than 10000 results", Other),
        ("quicknode", -32007, "50/second request limit reached - reduce calls per second", RateLimited),
        ("ankr", -32090, "Too many requests, reason: call rate limit exhausted", RateLimited),
        ("cloudflare", -32603, "Internal error: nonce too low", NonceTooLow),
        ("anybody", -32005, "daily quota", RateLimited),
        ("anybody", -32029, "slow down", RateLimited),
        ("anybody", 3, "", Reverted),
        ("anybody", -32000, "unknown transaction type", Invalid),
        ("anybody", -32603, "something else", Other),
    ];

    #[test]
    fn what_nodes_say_is_understood() {
        for (client, code, message, meaning) in SAID {
            assert_eq!(classify(*code, message), *meaning, "{client}: {message}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_there_because_some_node_says_so() {
        let first_match = |message: &str| {
            let message = message.to_lowercase();
            WORDS.iter().position(|(words, _)| message.contains(words))
        };
        let said: Vec<Option<usize>> = SAID.iter().map(|(_, _, message, _)| first_match(message)).collect();
        for (line, (words, _)) in WORDS.iter().enumerate() {
            assert!(said.contains(&Some(line)), "nobody says {words:?}");
        }
    }

    #[test]
    fn only_what_passes_is_asked_again_and_only_a_revert_is_the_same_everywhere() {
        for (_, code, message, _) in SAID {
            let refusal = classify(*code, message);
            assert_eq!(refusal.is_passing(), matches!(refusal, PoolFull | RateLimited | OtherBlock));
            assert_eq!(refusal.is_final(false), refusal == Reverted);
            assert_eq!(refusal.is_final(true), !refusal.is_passing());
        }
    }
}
