//! SQL of wallets with names.

use alloy::primitives::Address;
use uuid::Uuid;

use crate::db::{self, EngineTx, TenantTx};
use crate::foundation::Mode;
use crate::product::customers::namespace::{CustomNamespace, Namespace};

/// A wallet.
pub struct Row {
    pub id: Uuid,
    pub customer_id: Uuid,
    pub kind: String,
    pub address: Vec<u8>,
    pub namespace: Option<String>,
    pub custom_namespace: Option<String>,
    pub namespace_provider: Option<String>,
    pub known_as: Option<String>,
    pub is_primary: bool,
}

/// An external wallet to be stored.
pub struct NewExternal<'a> {
    pub mode: Mode,
    pub customer: Uuid,
    pub address: Address,
    pub custom: Option<&'a CustomNamespace>,
    pub provider: Option<&'a str>,
    /// As which another tenant knows the address.
    pub known_as: Option<&'a str>,
}

/// The first of a customer's wallets is the primary one. `false`, and nothing is stored, when the name looks like one that
/// a wallet has: two who want one at the same moment come here after having looked.
pub async fn insert_external(tx: &mut TenantTx, new: &NewExternal<'_>, name: &Namespace) -> db::Result<bool> {
    let inserted = sqlx::query!(
        "insert into wallet (tenant_id, id, customer_id, mode, kind, address, namespace, custom_namespace,
            custom_skeleton, namespace_provider, known_as, is_primary)
        select $1, $2, $3, $4, 'external', $5, $6, $7, $8, $9, $10, not exists (
            select from wallet where tenant_id = $1 and customer_id = $3 and is_primary)
        on conflict (mode, diolkos_skeleton(namespace)) where namespace is not null do nothing",
        tx.tenant().0,
        Uuid::now_v7(),
        new.customer,
        new.mode.as_str(),
        new.address.as_slice(),
        name.as_str(),
        new.custom.map(CustomNamespace::as_str),
        new.custom.map(CustomNamespace::skeleton),
        new.custom.and(new.provider),
        new.known_as,
    )
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// A customer's wallets, oldest first.
pub async fn wallets_of(tx: &mut TenantTx, mode: Mode, customer: Uuid) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select id, customer_id, kind, address, namespace, custom_namespace, namespace_provider, known_as, is_primary
        from wallet where tenant_id = $1 and mode = $2 and customer_id = $3 order by created_at, id limit 1000",
        tx.tenant().0,
        mode.as_str(),
        customer,
    )
    .fetch_all(&mut **tx)
    .await
}

/// The same, which nobody else changes until the transaction ends.
pub async fn hold_wallets(tx: &mut TenantTx, mode: Mode, customer: Uuid) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select id, customer_id, kind, address, namespace, custom_namespace, namespace_provider, known_as, is_primary
        from wallet where tenant_id = $1 and mode = $2 and customer_id = $3 order by created_at, id for update",
        tx.tenant().0,
        mode.as_str(),
        customer,
    )
    .fetch_all(&mut **tx)
    .await
}

pub async fn by_address(tx: &mut TenantTx, mode: Mode, address: Address) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select id, customer_id, kind, address, namespace, custom_namespace, namespace_provider, known_as, is_primary
        from wallet where tenant_id = $1 and mode = $2 and address = $3",
        tx.tenant().0,
        mode.as_str(),
        address.as_slice(),
    )
    .fetch_optional(&mut **tx)
    .await
}

pub async fn by_namespace(tx: &mut TenantTx, mode: Mode, namespace: &str) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select id, customer_id, kind, address, namespace, custom_namespace, namespace_provider, known_as, is_primary
        from wallet where tenant_id = $1 and mode = $2 and namespace = $3",
        tx.tenant().0,
        mode.as_str(),
        namespace,
    )
    .fetch_optional(&mut **tx)
    .await
}

pub async fn by_custom_namespace(tx: &mut TenantTx, mode: Mode, name: &CustomNamespace) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select id, customer_id, kind, address, namespace, custom_namespace, namespace_provider, known_as, is_primary
        from wallet where tenant_id = $1 and mode = $2 and custom_skeleton = $4 and custom_namespace = $3",
        tx.tenant().0,
        mode.as_str(),
        name.as_str(),
        name.skeleton(),
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Whether none of the transaction's tenant's wallets has a name that looks like this.
pub async fn namespace_is_free(tx: &mut TenantTx, mode: Mode, namespace: &Namespace) -> db::Result<bool> {
    let is_free = sqlx::query_scalar!(
        r#"select not exists (
            select from wallet where tenant_id = $1 and mode = $2
                and diolkos_skeleton(namespace) = diolkos_skeleton($3)) as "is_free!""#,
        tx.tenant().0,
        mode.as_str(),
        namespace.as_str(),
    );
    is_free.fetch_one(&mut **tx).await
}

/// Gives a wallet another custom name; where that is registered nobody has told.
pub async fn set_custom_namespace(tx: &mut TenantTx, wallet: Uuid, name: &CustomNamespace) -> db::Result<()> {
    sqlx::query!(
        "update wallet set custom_namespace = $3, custom_skeleton = $4,
            namespace_provider = case when custom_namespace = $3 then namespace_provider end
        where tenant_id = $1 and id = $2",
        tx.tenant().0,
        wallet,
        name.as_str(),
        name.skeleton(),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Makes one of a customer's wallets the primary one, or none.
pub async fn set_primary(tx: &mut TenantTx, customer: Uuid, wallet: Option<Uuid>) -> db::Result<()> {
    // Two steps: an index sees to it that there is never a second.
    sqlx::query!(
        "update wallet set is_primary = false
        where tenant_id = $1 and customer_id = $2 and is_primary and id is distinct from $3",
        tx.tenant().0,
        customer,
        wallet,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update wallet set is_primary = true where tenant_id = $1 and customer_id = $2 and id = $3 and not is_primary",
        tx.tenant().0,
        customer,
        wallet,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Removes the addresses that a customer controls.
pub async fn delete_external(tx: &mut TenantTx, customer: Uuid) -> db::Result<()> {
    sqlx::query!(
        "delete from wallet where tenant_id = $1 and customer_id = $2 and kind = 'external'",
        tx.tenant().0,
        customer,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Takes the names from the wallets that a customer has still.
pub async fn strip_names(tx: &mut TenantTx, customer: Uuid) -> db::Result<()> {
    sqlx::query!(
        "update wallet set namespace = null, custom_namespace = null, custom_skeleton = null, namespace_provider = null
        where tenant_id = $1 and customer_id = $2",
        tx.tenant().0,
        customer,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The transaction's tenant: namespace root and name.
pub async fn tenant(tx: &mut TenantTx) -> db::Result<(String, String)> {
    let row = sqlx::query!("select namespace, name from tenant where tenant_id = $1", tx.tenant().0);
    row.fetch_one(&mut **tx).await.map(|row| (row.namespace, row.name))
}

/// The names that other tenants' namespaces give an address; an empty one for a wallet of ours, which has none.
pub async fn known_elsewhere(tx: &mut EngineTx, mode: Mode, tenant: Uuid, address: Address) -> db::Result<Vec<String>> {
    let names = sqlx::query_scalar!(
        r#"select coalesce(namespace, '') as "namespace!" from wallet
        where mode = $1 and address = $2 and tenant_id <> $3"#,
        mode.as_str(),
        address.as_slice(),
        tenant,
    );
    names.fetch_all(&mut **tx).await
}

/// The roots of all tenants' names.
pub async fn roots(tx: &mut EngineTx) -> db::Result<Vec<String>> {
    sqlx::query_scalar!("select namespace from tenant").fetch_all(&mut **tx).await
}
