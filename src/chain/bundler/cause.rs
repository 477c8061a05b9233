//! What a bundler's refusal means, and therefore what to do. The EntryPoint's own code (`AA25 …`) says most, the
//! bundler's words come next, and the JSON-RPC code (ERC-7769 §error codes) counts when both say nothing.

use super::endpoint::EndpointError;

/// What is to be done about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The bundler has this very user operation: it counts as sent.
    AlreadyKnown,
    /// The bundler is at work on an earlier version of it: wait for that one.
    UnderWay,
    /// The account is deployed: sign without init code.
    Deployed,
    /// The account has no code: sign with init code, or delegate the treasury again.
    NotDeployed,
    /// The nonce is used: look at the chain.
    NonceUsed,
    /// Who pays for gas is the account, and its deposit is too small: fill it.
    DepositTooLow,
    /// The paymaster's word is not, or not any more, good: ask for a new one.
    AskPaymaster,
    /// The paymaster cannot pay: an operator has to see to that, and the engine tries again from time to time.
    PaymasterBroke,
    /// Sign for more verification gas.
    MoreVerificationGas,
    /// Sign for more verification gas of the paymaster.
    MorePaymasterGas,
    /// Sign for more pre-verification gas: what the bundler asks for, if it says how much.
    MorePreVerificationGas(Option<u64>),
    /// Sign for higher fees: an eighth more, or the offer that the bundler asks for.
    FeeTooLow(Asked),
    /// The calls revert as things stand: halve a batch; let a lane carry a single one, so that the chain says why.
    Reverts,
    /// We made a mistake: hold it and raise the alarm.
    OurFault,
    /// Passes by itself.
    Passing,
    /// Nobody has heard of it: perhaps it passes; if not, it is as good as [`Cause::Reverts`].
    Unknown,
}

/// The least fees that a bundler says it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `maxFeePerGas`.
    pub max_fee: Option<u128>,
    /// `maxPriorityFeePerGas`.
    pub max_tip: Option<u128>,
}

/// Higher fees, and it is not said how high.
const HIGHER: Cause = Cause::FeeTooLow(Asked { max_fee: None, max_tip: None });

/// Codes of EntryPoint v0.8, and those that bundlers know from earlier versions.
const ENTRY_POINT_CODES: &[(&str, Cause)] = &[
    ("AA10", Cause::Deployed),
    // The factory reverts or runs out of gas.
    ("AA13", Cause::MoreVerificationGas),
    ("AA14", Cause::OurFault),
    ("AA15", Cause::OurFault),
    ("AA20", Cause::NotDeployed),
    ("AA21", Cause::DepositTooLow),
    // Our accounts' signatures are good at any time.
    ("AA22", Cause::OurFault),
    // Our accounts revert in validation only for want of gas.
    ("AA23", Cause::MoreVerificationGas),
    ("AA24", Cause::OurFault),
    ("AA25", Cause::NonceUsed),
    ("AA26", Cause::MoreVerificationGas),
    ("AA30", Cause::PaymasterBroke),
    ("AA31", Cause::PaymasterBroke),
    ("AA32", Cause::AskPaymaster),
    ("AA33", Cause::AskPaymaster),
    ("AA34", Cause::AskPaymaster),
    ("AA36", Cause::MorePaymasterGas),
    ("AA40", Cause::MoreVerificationGas),
    ("AA41", Cause::MoreVerificationGas),
    ("AA50", Cause::AskPaymaster),
    ("AA51", Cause::MorePreVerificationGas(None)),
    // The bundler's own transaction is at fault.
    ("AA90", Cause::Passing),
    ("AA91", Cause::Passing),
    ("AA92", Cause::OurFault),
    ("AA93", Cause::AskPaymaster),
    ("AA94", Cause::OurFault),
    ("AA95", Cause::Passing),
    ("AA96", Cause::OurFault),
    ("AA97", Cause::OurFault),
    ("AA98", Cause::AskPaymaster),
    ("AA99", Cause::OurFault),
];

/// What bundlers say before they come to the EntryPoint, in lower case. The first match counts.
const WORDS: &[(&str, Cause)] = &[
    ("already known", Cause::AlreadyKnown),
    ("already in mempool", Cause::AlreadyKnown),
    ("already being processed", Cause::UnderWay),
    ("maximum number of", Cause::Passing),
    ("bump the gas price", HIGHER),
    ("already present in mempool", HIGHER),
    ("underpriced", HIGHER),
    ("fee too low", HIGHER),
    ("gas price too low", HIGHER),
    ("maxfeepergas must be", HIGHER),
    ("maxpriorityfeepergas must be", HIGHER),
    ("maxfeepergas is too low", HIGHER),
    ("maxpriorityfeepergas is too low", HIGHER),
    ("preverificationgas", Cause::MorePreVerificationGas(None)),
    ("verificationgaslimit must be", Cause::MoreVerificationGas),
    ("sender has no code", Cause::NotDeployed),
    ("paymasterdata", Cause::AskPaymaster),
    ("paymaster signature", Cause::AskPaymaster),
    ("expires too soon", Cause::AskPaymaster),
    ("not valid yet", Cause::AskPaymaster),
    // Alto, when its simulation reverts in a way that it does not know, or does not run.
    ("could not parse simulate", Cause::Unknown),
    ("mempool is full", Cause::Passing),
    ("rate limit", Cause::Passing),
    ("too many requests", Cause::Passing),
];

/// What a code says when no words do.
const RPC_CODES: &[(i64, Cause)] = &[
    // The EntryPoint gives a code with it, unless the words are some contract's.
    (-32500, Cause::Unknown),
    (-32501, Cause::AskPaymaster),
    (-32502, Cause::OurFault),
    (-32503, Cause::AskPaymaster),
    (-32504, Cause::Passing),
    (-32505, Cause::PaymasterBroke),
    (-32506, Cause::OurFault),
    (-32507, Cause::OurFault),
    (-32508, Cause::PaymasterBroke),
    (-32521, Cause::Reverts),
    (-32005, Cause::Passing),
    (-32600, Cause::OurFault),
    (-32601, Cause::OurFault),
    (-32602, Cause::OurFault),
];

/// The code of calls that revert while gas is estimated.
const CALLS_REVERT: i64 = -32521;

/// Reads a refusal.
pub fn classify(code: i64, message: &str) -> Cause {
    // What a contract says when it reverts is its own affair.
    if code == CALLS_REVERT {
        return Cause::Reverts;
    }
    let words = message.to_lowercase();
    let by_words = WORDS.iter().find(|(said, _)| words.contains(said)).map(|(_, cause)| *cause);
    let by_entry_point = || ENTRY_POINT_CODES.iter().find(|(said, _)| message.contains(said)).map(|(_, cause)| *cause);
    let by_code = || RPC_CODES.iter().find(|(said, _)| *said == code).map(|(_, cause)| *cause);
    match by_words.or_else(by_entry_point).or_else(by_code).unwrap_or(Cause::Unknown) {
        Cause::FeeTooLow(_) => Cause::FeeTooLow(Asked {
            max_fee: number_after(&words, "maxfeepergas must be at least "),
            max_tip: number_after(&words, "maxpriorityfeepergas must be at least "),
        }),
        Cause::MorePreVerificationGas(_) => {
            Cause::MorePreVerificationGas(number_after(&words, "required: ").and_then(|gas| gas.try_into().ok()))
        }
        cause => cause,
    }
}

fn number_after(words: &str, label: &str) -> Option<u128> {
    let (_, rest) = words.split_once(label)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

impl EndpointError {
    /// What to do about a bundler's refusal. What no answer means is unknown: asking again does no harm.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Refused { code, message, .. } => classify(*code, message),
            Self::Unavailable { .. } => Cause::Passing,
            Self::Absurd { .. } => Cause::Unknown,
        }
    }
}

impl Cause {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlreadyKnown => "already_known",
            Self::UnderWay => "under_way",
            Self::Deployed => "deployed",
            Self::NotDeployed => "not_deployed",
            Self::NonceUsed => "nonce_used",
            Self::DepositTooLow => "deposit_too_low",
            Self::AskPaymaster => "ask_paymaster",
            Self::PaymasterBroke => "paymaster_broke",
            Self::MoreVerificationGas => "more_verification_gas",
            Self::MorePaymasterGas => "more_paymaster_gas",
            Self::MorePreVerificationGas(_) => "more_pre_verification_gas",
            Self::FeeTooLow(_) => "fee_too_low",
            Self::Reverts => "reverts",
            Self::OurFault => "our_fault",
            Self::Passing => "passing",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_is_read_as_itself() {
        for (code, cause) in ENTRY_POINT_CODES {
            let message = format!("UserOperation reverted during simulation with reason: {code} some words");
            assert_eq!(classify(-32500, &message), *cause, "{code}");
        }
        for (words, cause) in WORDS {
            assert_eq!(classify(-32602, &words.to_uppercase()), *cause, "{words}");
        }
        for (code, cause) in RPC_CODES {
            assert_eq!(classify(*code, "no words that say anything"), *cause, "{code}");
        }
        assert_eq!(classify(-32603, "something nobody has heard of"), Cause::Unknown);
    }

    #[test]
    fn words_that_contradict_the_code_they_quote_count_more() {
        let has_it = "AA25 invalid account nonce: User operation already present in mempool, bump the gas price by 10%";
        assert_eq!(classify(-32602, has_it), HIGHER);
        let busy =
            "AA25 invalid account nonce: Another UserOperation with same sender and nonce is already being processed";
        assert_eq!(classify(-32602, busy), Cause::UnderWay);
        let full = "AA25 invalid account nonce: Maximum number of parallel user operations for that is allowed for this sender reached";
        assert_eq!(classify(-32602, full), Cause::Passing);
        assert_eq!(classify(-32521, "AA25 is what a token says when it reverts"), Cause::Reverts);
    }

    #[test]
    fn what_the_bundler_asks_for_is_read() {
        let fee = "maxFeePerGas must be at least 3000000000 (current maxFeePerGas: 1) - use another";
        assert_eq!(classify(-32602, fee), Cause::FeeTooLow(Asked { max_fee: Some(3_000_000_000), max_tip: None }));
        let tip = "maxPriorityFeePerGas must be at least 7 (current maxPriorityFeePerGas: 1)";
        assert_eq!(classify(-32602, tip), Cause::FeeTooLow(Asked { max_fee: None, max_tip: Some(7) }));
        let gas = "preVerificationGas is not enough, required: 51234, got: 1";
        assert_eq!(classify(-32500, gas), Cause::MorePreVerificationGas(Some(51_234)));
        let absurd = format!("preVerificationGas is not enough, required: 1{}", "0".repeat(60));
        assert_eq!(classify(-32500, &absurd), Cause::MorePreVerificationGas(None));
    }
}
