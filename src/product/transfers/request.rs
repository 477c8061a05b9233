//! Reading a request for a transfer.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use validator::Validate;

use crate::foundation::{Amount, BlindIndex, ClientKey, Phone, Token, Tokens};
use crate::http::{Error, Result};

/// What begins a `quote_id` that is no quote's but names tokens itself.
const DIRECT: &str = "DIRECT_CRYPTO:";

#[derive(Deserialize, Validate, ToSchema)]
pub struct SendTransfer {
    /// The customer who pays, E.164.
    #[schema(example = "+2250700000001")]
    sender_phone: String,
    /// The customer who receives, E.164.
    #[schema(example = "+2250700000002")]
    recipient_phone: String,
    /// A quote that is good still (`POST /v1/fx/quote`): what it buys is sent. Or tokens by name and amount:
    /// `DIRECT_CRYPTO:USDC:10.50`.
    #[schema(example = "DIRECT_CRYPTO:USDC:10.50")]
    quote_id: String,
    /// Your own name for this transfer, 1 to 128 visible ASCII characters: sent again with the same body it answers with
    /// the same transfer.
    #[schema(example = "txn_ref_001", min_length = 1, max_length = 128)]
    idempotency_key: Option<String>,
}

/// What is to be sent.
pub enum What {
    /// What a quote buys.
    Quoted(String),
    /// An amount of a token.
    Direct(Token, Amount),
}

/// A request whose every field makes sense.
pub struct Wish {
    pub sender: Phone,
    pub recipient: Phone,
    pub what: What,
    pub idempotency_key: Option<ClientKey>,
    quote_id: String,
}

impl SendTransfer {
    /// Reads every field; 400 for the first that makes no sense.
    pub fn read(self, tokens: &Tokens) -> Result<Wish> {
        let phone = |field: &str, text: &str| {
            Phone::parse(text).map_err(|why| Error::bad_request("invalid_phone", format!("{field} {why}")))
        };
        let sender = phone("sender_phone", &self.sender_phone)?;
        let recipient = phone("recipient_phone", &self.recipient_phone)?;
        if sender == recipient {
            return Err(Error::invalid_field("recipient_phone", "must be another customer's"));
        }
        let what = match self.quote_id.strip_prefix(DIRECT) {
            Some(direct) => read_direct(direct, tokens)?,
            None => What::Quoted(self.quote_id.clone()),
        };
        let key = self.idempotency_key.as_deref().map(ClientKey::parse).transpose();
        let idempotency_key = key.map_err(|why| Error::invalid_field("idempotency_key", why))?;
        Ok(Wish { sender, recipient, what, idempotency_key, quote_id: self.quote_id })
    }
}

fn read_direct(direct: &str, tokens: &Tokens) -> Result<What> {
    let invalid = |why: &dyn std::fmt::Display| Error::invalid_field("quote_id", why);
    let (symbol, amount) =
        direct.split_once(':').ok_or_else(|| invalid(&"must be a quote's id, or such as DIRECT_CRYPTO:USDC:10.50"))?;
    let token = tokens.by_symbol(symbol).ok_or_else(|| invalid(&"names a token that is none of this server"))?;
    let amount = token.parse(amount).map_err(|why| invalid(&format!("has an amount that {why}")))?;
    Ok(What::Direct(token.clone(), amount))
}

impl Wish {
    /// What the same request has in common with this one, without a number that could be guessed from it.
    pub fn digest(&self, sender: &BlindIndex, recipient: &BlindIndex) -> [u8; 32] {
        let parts = [sender.as_str(), recipient.as_str(), &self.quote_id];
        Sha256::digest(parts.join("\n")).into()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn read(quote_id: &str) -> std::result::Result<String, String> {
        let tokens = Tokens::new(vec!["USDC:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359:6".parse().unwrap()]);
        let send = SendTransfer {
            sender_phone: "+2250700000001".into(),
            recipient_phone: "+2250700000002".into(),
            quote_id: quote_id.into(),
            idempotency_key: None,
        };
        match send.read(&tokens).map_err(|error| error.to_string())?.what {
            What::Quoted(id) => Ok(id),
            What::Direct(token, amount) => Ok(format!("{} {}", token.format(amount), token.symbol)),
        }
    }

    #[test]
    fn tokens_are_named_directly_or_by_a_quote() {
        assert_eq!(read("DIRECT_CRYPTO:USDC:10.50").unwrap(), "10.500000 USDC");
        assert_eq!(read("fx_1").unwrap(), "fx_1");
        for bad in
            ["", "USDC", "USDC:", "USDC:0", "USDC:-1", "USDC:1e3", "USDC:1.0000001", "EUR:1", "usdc:1", "USDC:1:2"]
        {
            let refused = read(&format!("DIRECT_CRYPTO:{bad}")).unwrap_err();
            assert!(refused.starts_with("400 invalid_quote_id: quote_id "), "{bad}: {refused}");
        }
    }
}
