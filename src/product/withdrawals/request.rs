//! Reading a request for a withdrawal.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use validator::Validate;

use crate::foundation::{Amount, BlindIndex, ClientKey, Phone, Token, Tokens};
use crate::http::{Error, Result};
use crate::product::fx::LocalCurrency;
use crate::providers::payout::{Networks, Unfit};

#[derive(Deserialize, Validate, ToSchema)]
pub struct Withdraw {
    /// The customer's phone number, E.164; its wallet pays.
    #[schema(example = "+2250700000002")]
    phone: String,
    /// How much the wallet pays, a plain decimal with at most the token's fraction digits.
    #[schema(example = "0.500000")]
    amount: String,
    /// `USDC` when absent.
    #[schema(example = "USDC")]
    token: Option<String>,
    /// The mobile number that receives the local money, E.164.
    #[schema(example = "+2250700000002")]
    payout_mobile: String,
    /// The network that the number belongs to, such as `orange_money`, `wave`, `mtn_momo`, `moov_money`.
    #[schema(example = "orange_money")]
    payout_network: String,
    /// Your own name for this withdrawal, 1 to 128 visible ASCII characters: sent again with the same body it answers
    /// with the same withdrawal.
    #[schema(example = "wdrl_ref_001", min_length = 1, max_length = 128)]
    idempotency_key: Option<String>,
}

/// A request whose every field makes sense.
pub struct Wish {
    pub phone: Phone,
    pub token: Token,
    pub amount: Amount,
    pub mobile: Phone,
    pub network: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    pub currency: LocalCurrency,
    pub idempotency_key: Option<ClientKey>,
}

impl Withdraw {
    /// Reads every field; 400 for the first that makes no sense.
    pub fn read(&self, tokens: &Tokens, networks: &Networks) -> Result<Wish> {
        let phone = |field: &str, text: &str| {
            Phone::parse(text).map_err(|why| Error::bad_request("invalid_phone", format!("{field} {why}")))
        };
        let payer = phone("phone", &self.phone)?;
        let token = tokens.by_symbol(self.token.as_deref().unwrap_or("USDC"));
        let token = token.ok_or_else(|| Error::invalid_field("token", "is not a token of this server"))?;
        let amount = token.parse(&self.amount).map_err(|why| Error::invalid_field("amount", why))?;
        let mobile = phone("payout_mobile", &self.payout_mobile)?;
        let network = networks.fit(&self.payout_network, &mobile).map_err(unfit)?;
        let currency = network.currency.code().parse().map_err(Error::internal)?;
        let key = self.idempotency_key.as_deref().map(ClientKey::parse).transpose();
        Ok(Wish {
            phone: payer,
            token: token.clone(),
            amount,
            network: network.name.clone(),
            country: network.country.as_ref().to_owned(),
            currency,
            mobile,
            idempotency_key: key.map_err(|why| Error::invalid_field("idempotency_key", why))?,
        })
    }
}

fn unfit(why: Unfit) -> Error {
    let code = match why {
        Unfit::UnknownNetwork { .. } | Unfit::NotInCountry { .. } => "invalid_payout_network",
        Unfit::NotMobile | Unfit::OtherNetwork { .. } => "invalid_payout_mobile",
    };
    Error::bad_request(code, why.to_string())
}

impl Wish {
    /// What the same request has in common with this one, without a number that could be guessed from it.
    pub fn digest(&self, payer: &BlindIndex, mobile: &BlindIndex) -> [u8; 32] {
        let amount = self.amount.to_string();
        let parts = [payer.as_str(), &amount, &self.token.symbol, mobile.as_str(), &self.network];
        Sha256::digest(parts.join("\n")).into()
    }
}
