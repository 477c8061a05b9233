//! The tokens that the house deals in, from configuration.

use std::str::FromStr;
use std::sync::Arc;

use alloy::primitives::Address;

use super::{Amount, InvalidAmount};

/// A stablecoin: its symbol, its contract on the configured chain and how many fraction digits it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The symbol by which callers name it, such as `USDC`.
    pub symbol: Arc<str>,
    /// The ERC-20 contract.
    pub contract: Address,
    /// Fraction digits: one token is `10^decimals` base units.
    pub decimals: u8,
    /// The most that one request may move.
    pub cap: Amount,
}

/// Why a token's configuration cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("a token is written SYMBOL:CONTRACT:DECIMALS[:CAP], such as USDC:0x3c49…3359:6; {0:?} is not")]
pub struct InvalidToken(String);

impl Token {
    /// Reads a caller's decimal; refuses zero and anything above the token's cap.
    pub fn parse(&self, text: &str) -> Result<Amount, InvalidAmount> {
        match Amount::parse_decimal(text, self.decimals)? {
            amount if amount.is_zero() => Err(InvalidAmount::Zero),
            amount if amount > self.cap => Err(InvalidAmount::TooLarge),
            amount => Ok(amount),
        }
    }

    /// The amount as callers read it, with all fraction digits.
    pub fn format(&self, amount: Amount) -> String {
        amount.to_decimal(self.decimals)
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    /// Reads `USDC:0x…:6` or, with a cap in whole tokens a request, `USDC:0x…:6:1000000`.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let invalid = || InvalidToken(text.to_owned());
        let parts: Vec<&str> = text.trim().split(':').collect();
        let (symbol, contract, decimals, cap) = match parts[..] {
            [symbol, contract, decimals] => (symbol, contract, decimals, "1000000000"),
            [symbol, contract, decimals, cap] => (symbol, contract, decimals, cap),
            _ => return Err(invalid()),
        };
        if symbol.is_empty() || symbol.len() > 12 || !symbol.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(invalid());
        }
        let decimals = decimals.parse().ok().filter(|d| *d <= 18).ok_or_else(invalid)?;
        Ok(Self {
            symbol: symbol.into(),
            contract: contract.parse().map_err(|_| invalid())?,
            decimals,
            cap: Amount::parse_decimal(cap, decimals).map_err(|_| invalid())?,
        })
    }
}

/// Every configured token.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<[Token]>);

impl Tokens {
    /// A set of tokens, in the order of configuration.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self(tokens.into())
    }

    /// The token of this symbol (exactly as written).
    pub fn by_symbol(&self, symbol: &str) -> Option<&Token> {
        self.0.iter().find(|token| &*token.symbol == symbol)
    }

    /// The token of this contract.
    pub fn by_contract(&self, contract: Address) -> Option<&Token> {
        self.0.iter().find(|token| token.contract == contract)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_with_or_without_a_cap() {
        let token: Token = "USDC:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359:6:1000".parse().unwrap();
        assert_eq!(token.parse("1000"), Ok(token.cap));
        assert_eq!(token.parse("1000.000001"), Err(InvalidAmount::TooLarge));
        assert_eq!(token.parse("0.000000"), Err(InvalidAmount::Zero));
        assert_eq!(token.format(token.cap), "1000.000000");
        assert!("USBC:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359:18".parse::<Token>().is_ok());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "",
            "USDC",
            "USDC:0x1:6",
            "USDC:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359:19",
            "U$:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359:6",
        ] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }
}
