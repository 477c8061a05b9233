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
use crate::providers::payout::{PayoutError, PayoutProvider, PayoutRequest, Progress};

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
    // The fraction of a test key's amount decides what is to go wrong.
    let token = app.tokens.by_symbol(&asked.token).filter(|_| mode == Mode::Test);
    let rehearsal = token.and_then(|token| Rehearsal::of(token, asked.amount));
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
    provider.cloned().ok_or_else(|| {
        tracing::error!(provider = name, "the provider of an open payout is not configured any more");
        Error::conflict("payout_provider_gone", "the payout's provider is not configured any more")
    })
}

async fn recipient(app: &App, tx: &mut TenantTx, asked: &Asked) -> Result<Phone> {
    let key = CustomerKeys::of(tx, &app.keys, asked.customer_id).await?;
    let context = Recipient::context(tx.tenant(), asked.withdrawal_id);
    let digits = key.open(&context, &Sealed(asked.mobile_sealed.clone()))?;
    let text = std::str::from_utf8(&digits).map_err(Error::internal)?;
    Phone::parse(text).map_err(Error::internal)
}

/// What the providers of a withdrawal's refused payouts say of them now: the first that is not refused any more, or
/// nothing. To be heard before the tokens go back, and before another payout is asked for.
pub async fn last_word(app: &App, tenant: TenantId, withdrawal: Uuid) -> Result<Option<Progress>> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let mut requests = Vec::new();
    for (payout, asked) in store::refused_payouts(&mut tx, withdrawal).await? {
        requests.push(of(app, &mut tx, payout, &asked).await?);
    }
    tx.commit().await?;
    for (provider, request) in requests {
        match provider.status(&request).await.map_err(silent)? {
            Progress::Refused { .. } | Progress::Unknown => {}
            other => return Ok(Some(other)),
        }
    }
    Ok(None)
}

/// What the provider of a withdrawal's open payout says of it now; nothing when none was asked.
pub async fn word_of_open(app: &App, tenant: TenantId, withdrawal: Uuid) -> Result<Option<Progress>> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let open = store::open_payout(&mut tx, withdrawal).await?.filter(|open| open.is_asked);
    let Some(open) = open else { return Ok(None) };
    let asked = store::asked_payout(&mut tx, open.id).await?;
    let (provider, request) = of(app, &mut tx, open.id, &asked).await?;
    tx.commit().await?;
    provider.status(&request).await.map(Some).map_err(silent)
}

fn silent(error: PayoutError) -> Error {
    Error::bad_gateway("payout_provider_unavailable", "the payout's provider gives no answer; try again", error)
}
