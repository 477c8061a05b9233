//! SQL of quotes.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::quotes::{Offer, Quote};
use crate::db::{self, Error, TenantTx};
use crate::foundation::{Amount, Mode};

/// Stores an offer as a quote that is good for 60 seconds from now, by the database's clock.
pub async fn insert(tx: &mut TenantTx, mode: Mode, offer: Offer) -> db::Result<Quote> {
    let id = Uuid::now_v7();
    let expires_at = sqlx::query_scalar!(
        "insert into fx_quote (tenant_id, id, mode, currency, fiat_amount, token, amount, rate, spread_bps, middle_rate,
            rate_as_of)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        returning expires_at",
        tx.tenant().0,
        id,
        mode.as_str(),
        offer.currency.code(),
        offer.fiat_amount as Decimal,
        offer.token,
        offer.amount as Amount,
        offer.rate as Decimal,
        i32::from(offer.spread.basis_points()),
        offer.middle.units_per_token as Decimal,
        offer.middle.as_of,
    )
    .fetch_one(&mut **tx)
    .await?;
    let Offer { currency, fiat_amount, token, amount, rate, .. } = offer;
    Ok(Quote { id, currency, fiat_amount, token, amount, rate, expires_at })
}

/// Marks a quote as used, if it is there, unused and not expired. Of several who do so at once each waits for the one
/// before to commit or roll back.
pub async fn take(tx: &mut TenantTx, mode: Mode, id: Uuid) -> db::Result<Option<Quote>> {
    let row = sqlx::query_as!(
        Row,
        r#"update fx_quote set used_at = clock_timestamp()
        where tenant_id = $1 and id = $2 and mode = $3 and used_at is null and expires_at > clock_timestamp()
        returning id, currency, fiat_amount as "fiat_amount: Decimal", token, amount as "amount: Amount",
            rate as "rate: Decimal", expires_at"#,
        tx.tenant().0,
        id,
        mode.as_str(),
    );
    row.fetch_optional(&mut **tx).await?.map(Quote::try_from).transpose()
}

pub async fn find(tx: &mut TenantTx, mode: Mode, id: Uuid) -> db::Result<Option<Quote>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, currency, fiat_amount as "fiat_amount: Decimal", token, amount as "amount: Amount",
            rate as "rate: Decimal", expires_at
        from fx_quote where tenant_id = $1 and id = $2 and mode = $3"#,
        tx.tenant().0,
        id,
        mode.as_str(),
    );
    row.fetch_optional(&mut **tx).await?.map(Quote::try_from).transpose()
}

/// Whether a quote has been used; nothing when there is none.
pub async fn is_used(tx: &mut TenantTx, mode: Mode, id: Uuid) -> db::Result<Option<bool>> {
    let used = sqlx::query_scalar!(
        r#"select used_at is not null as "used!" from fx_quote where tenant_id = $1 and id = $2 and mode = $3"#,
        tx.tenant().0,
        id,
        mode.as_str(),
    );
    used.fetch_optional(&mut **tx).await
}

struct Row {
    id: Uuid,
    currency: String,
    fiat_amount: Decimal,
    token: String,
    amount: Amount,
    rate: Decimal,
    expires_at: DateTime<Utc>,
}

impl TryFrom<Row> for Quote {
    type Error = Error;

    fn try_from(row: Row) -> db::Result<Self> {
        let Row { id, currency, fiat_amount, token, amount, rate, expires_at } = row;
        let currency = currency.parse().map_err(|error| Error::Decode(Box::new(error)))?;
        Ok(Self { id, currency, fiat_amount, token, amount, rate, expires_at })
    }
}
