//! `/v1/dashboard/users`, `/v1/dashboard/users/lookup`

use alloy::primitives::Address;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::records::{self, Filter, Row};
use crate::auth::Dashboard;
use crate::db::{Page, PageRequest};
use crate::foundation::{ChecksumAddress, Mode};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Query, Result, moment, page_bounds};
use crate::product::App;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// `live` when absent.
    mode: Option<Mode>,
    /// Only customers made at this time or later (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Only customers made before this time (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Lookup {
    /// The wallet's address: in mixed case with its EIP-55 checksum.
    #[param(example = "0xA1b2C3d4E5F60718293a4B5c6D7e8F9001122334")]
    wallet_address: String,
}

#[derive(Serialize, ToSchema)]
pub struct User {
    /// The customer, as `/v1/users/provision` named them.
    #[schema(example = "3f8a1c0d2b4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8")]
    blind_index: String,
    /// The customer's smart wallet.
    #[schema(example = "0xA1b2C3d4E5F60718293a4B5c6D7e8F9001122334")]
    wallet_address: String,
    mode: Mode,
    created_at: DateTime<Utc>,
}

impl User {
    pub(super) fn of(row: Row) -> Result<Self> {
        let mode = Mode::from_word(&row.mode).ok_or_else(|| Error::internal("a customer's mode is not known"))?;
        let wallet = Address::try_from(row.wallet.as_slice()).map_err(Error::internal)?;
        Ok(Self {
            blind_index: row.blind_index,
            wallet_address: wallet.to_checksum(None),
            mode,
            created_at: row.created_at,
        })
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }
}

/// Lists customers, newest first.
#[utoipa::path(get, path = "/v1/dashboard/users", operation_id = "list_users", tag = "Users", security(("bearer" = [])),
    params(Wanted),
    responses(
        (status = 200, description = "A page of customers", body = Page<User>),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors))]
pub async fn list(caller: Dashboard, State(app): State<App>, Query(wanted): Query<Wanted>) -> Result<Json<Page<User>>> {
    let Wanted { mode, from, to, limit, cursor } = wanted;
    let (limit, after) = page_bounds(&PageRequest { limit, cursor })?;
    let filter = Filter { mode: mode.unwrap_or_default(), from, to };
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let rows = records::list(&mut tx, &filter, after.map(|cursor| cursor.0), limit).await?;
    tx.commit().await?;
    let page = Page::of(rows, limit, |row| row.id);
    let data = page.data.into_iter().map(User::of).collect::<Result<_>>()?;
    Ok(Json(Page { data, next_cursor: page.next_cursor }))
}

/// Whose wallet this is, live or test.
#[utoipa::path(get, path = "/v1/dashboard/users/lookup", operation_id = "look_up_user", tag = "Users", security(("bearer" = [])),
    params(Lookup),
    responses(
        (status = 200, description = "The customer", body = User),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "No customer has this wallet", body = CaasError),
        CaasErrors))]
pub async fn look_up(
    caller: Dashboard,
    State(app): State<App>,
    Query(Lookup { wallet_address }): Query<Lookup>,
) -> Result<Json<User>> {
    let wallet = ChecksumAddress::parse(&wallet_address);
    let wallet = wallet.map_err(|why| Error::invalid_field("wallet_address", why))?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let row = records::of_wallet(&mut tx, wallet).await?;
    tx.commit().await?;
    User::of(row.ok_or_else(unknown)?).map(Json)
}

/// 404: no customer of this tenant.
pub fn unknown() -> Error {
    Error::not_found("customer_not_found", "there is no such customer")
}
