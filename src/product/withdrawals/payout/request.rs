//! What a provider is told of a payout.

use std::sync::Arc;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::store::{self, Asked};
use super::super::withdrawal::Recipient;
use super::Payouts;
use crate::db::TenantTx;
use crate::foundation::{Mode, Phone, Rehearsal, Sealed, TenantId};
use crate::http::{Error, Result};
use crate::product::App;
use crate::product::users::CustomerKeys;
use crate::providers::fx::Currency;
use crate::providers::payout::{PayoutProvider, PayoutRequest, Progress};

/// The provider of a payout, and what it is to hear or was told.
pub async fn of(
    app: &App,
    tx: &mut TenantTx,
    payout: Uuid,
    asked: &Asked,
) -> Result<(Arc<dyn PayoutProvider>, PayoutRequest)> {
    let mode = Mode::from_word(&asked.mode).ok_or_else(|| Error::internal("a withdrawal of no mode"))?;
    let provider = provider(&app.payouts, mode, &asked.provider)?;
    let currency = Currency::from_code(&asked.currency);
    // The amount's fraction decides what is to go wrong when nothing is paid in earnest.
    let token = app.tokens.by_symbol(&asked.token);
    let is_rehearsed = mode == Mode::Test || asked.provider == "simulator";
    let rehearsal = token.filter(|_| is_rehearsed).and_then(|token| Rehearsal::of(token, asked.amount));
    let request = PayoutRequest {
        id: payout,
        withdrawal_id: asked.withdrawal_id,
        mobile: recipient(app, tx, asked).await?,
        network: asked.network.clone(),
        country: asked.country.clone(),
        currency: currency.ok_or_else(|| Error::internal("a withdrawal of an unknown currency"))?,
        amount: Decimal::normalize(&asked.fiat_amount),
        asked_at: asked.asked_at,
        rehearsal,
    };
    Ok((provider, request))
}

/// A payout stays with the provider that it was made for.
fn provider(payouts: &Payouts, mode: Mode, name: &str) -> Result<Arc<dyn PayoutProvider>> {
    let provider = payouts.provider(mode).filter(|provider| provider.name() == name);
    provider.cloned().ok_or_else(|| Error::internal(format!("the provider {name} of a payout is not configured")))
}

async fn recipient(app: &App, tx: &mut TenantTx, asked: &Asked) -> Result<Phone> {
    let key = CustomerKeys::of(tx, &app.keys, asked.customer_id).await?;
    let context = Recipient::context(tx.tenant(), asked.withdrawal_id);
    let digits = key.open(&context, &Sealed(asked.mobile_sealed.clone()))?;
    let text = std::str::from_utf8(&digits).map_err(Error::internal)?;
    Phone::parse(text).map_err(Error::internal)
}

/// What the provider of a withdrawal's refused payout says of it now; nothing when no provider was asked. To be heard
/// before the tokens go back, and before another payout is asked for: the refusal of a request that was sent twice may
/// have been the answer to one of them only.
pub async fn last_word(app: &App, tenant: TenantId, withdrawal: Uuid) -> Result<Option<Progress>> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let Some((payout, asked)) = store::refused_payout(&mut tx, withdrawal).await? else { return Ok(None) };
    let (provider, request) = of(app, &mut tx, payout, &asked).await?;
    tx.commit().await?;
    let said = provider.status(&request).await;
    said.map(Some).map_err(|error| {
        Error::bad_gateway("payout_provider_unavailable", "the payout's provider gives no answer; try again", error)
    })
}
