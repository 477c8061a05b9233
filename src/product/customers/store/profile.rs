//! SQL of what customers have told, and of what changed in it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, Error, TenantTx};
use crate::foundation::{BlindIndex, Mode, Sealed};
use crate::product::customers::kind::Kind;
use crate::product::customers::status::{Account, Decision, Standing};
use crate::product::customers::verified::Verified;

/// A profile as stored.
pub struct ProfileRow {
    pub kind: Kind,
    pub document: Sealed,
    pub standing: Standing,
    pub denial: Option<Sealed>,
    pub verified: Verified,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// By what a document was changed.
#[derive(Clone)]
pub enum ChangedBy {
    /// An API key.
    Key(Uuid),
    /// Somebody at the dashboard, by the token's subject.
    Subject(String),
    /// What an identity check has proven.
    IdentityCheck(Uuid),
}

/// A change as stored.
pub struct Change {
    pub id: Uuid,
    pub old: Sealed,
    pub new: Sealed,
    pub remarks: Option<Sealed>,
    /// The name of the API key by which it was made, or the subject of the dashboard's token; none of what an identity
    /// check has changed.
    pub by: Option<String>,
    pub at: DateTime<Utc>,
}

pub async fn insert_profile(
    tx: &mut TenantTx,
    mode: Mode,
    (customer, kind): (Uuid, Kind),
    document: &Sealed,
    email: &BlindIndex,
    now: DateTime<Utc>,
) -> db::Result<()> {
    let standing = Standing::ONBOARDED;
    sqlx::query!(
        "insert into customer_profile (tenant_id, customer_id, mode, document, email_index, onboarding_status,
            compliance_status, kyc_status, account_status, funding_status, created_at, updated_at, kind)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)",
        tx.tenant().0,
        customer,
        mode.as_str(),
        document.0,
        email.as_str(),
        standing.onboarding.as_str(),
        standing.compliance.as_str(),
        standing.kyc.as_str(),
        standing.account.as_str(),
        standing.funding.as_str(),
        now,
        kind.as_str(),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn update_profile(
    tx: &mut TenantTx,
    customer: Uuid,
    document: &Sealed,
    email: &BlindIndex,
    now: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "update customer_profile set document = $3, email_index = $4, updated_at = $5
        where tenant_id = $1 and customer_id = $2",
        tx.tenant().0,
        customer,
        document.0,
        email.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Writes down what of a customer is verified.
pub async fn set_verified(tx: &mut TenantTx, customer: Uuid, verified: &Verified) -> db::Result<()> {
    sqlx::query!(
        "update customer_profile set verified = $3 where tenant_id = $1 and customer_id = $2",
        tx.tenant().0,
        customer,
        &verified.words() as &[&str],
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn set_standing(
    tx: &mut TenantTx,
    customer: Uuid,
    standing: &Standing,
    denial: Option<&Sealed>,
    now: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "update customer_profile set onboarding_status = $3, compliance_status = $4, kyc_status = $5,
            account_status = $6, funding_status = $7, denial_sealed = $8, updated_at = $9
        where tenant_id = $1 and customer_id = $2",
        tx.tenant().0,
        customer,
        standing.onboarding.as_str(),
        standing.compliance.as_str(),
        standing.kyc.as_str(),
        standing.account.as_str(),
        standing.funding.as_str(),
        denial.map(|sealed| sealed.0.as_slice()),
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn find_profile(tx: &mut TenantTx, mode: Mode, customer: Uuid) -> db::Result<Option<ProfileRow>> {
    let row = sqlx::query!(
        "select kind, document, onboarding_status, compliance_status, kyc_status, account_status, funding_status,
            denial_sealed, verified, created_at, updated_at
        from customer_profile where tenant_id = $1 and mode = $2 and customer_id = $3",
        tx.tenant().0,
        mode.as_str(),
        customer,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let unknown = |word: &str| Error::Decode(format!("{word} is no status").into());
    let decision = |word: &str| Decision::from_word(word).ok_or_else(|| unknown(word));
    Ok(Some(ProfileRow {
        kind: Kind::from_word(&row.kind).ok_or_else(|| unknown(&row.kind))?,
        document: Sealed(row.document),
        standing: Standing {
            onboarding: decision(&row.onboarding_status)?,
            compliance: decision(&row.compliance_status)?,
            kyc: decision(&row.kyc_status)?,
            account: Account::from_word(&row.account_status).ok_or_else(|| unknown(&row.account_status))?,
            funding: decision(&row.funding_status)?,
        },
        denial: row.denial_sealed.map(Sealed),
        created_at: row.created_at,
        updated_at: row.updated_at,
        verified: Verified::from_words(&row.verified),
    }))
}

pub async fn has_profile(tx: &mut TenantTx, customer: Uuid) -> db::Result<bool> {
    let exists = sqlx::query_scalar!(
        r#"select exists (select from customer_profile where tenant_id = $1 and customer_id = $2) as "exists!""#,
        tx.tenant().0,
        customer,
    );
    exists.fetch_one(&mut **tx).await
}

/// What a customer was onboarded as.
pub async fn kind_of(tx: &mut TenantTx, customer: Uuid) -> db::Result<Option<Kind>> {
    let kind = sqlx::query_scalar!(
        "select kind from customer_profile where tenant_id = $1 and customer_id = $2",
        tx.tenant().0,
        customer,
    );
    let kind = kind.fetch_optional(&mut **tx).await?;
    kind.map(|word| Kind::from_word(&word).ok_or_else(|| Error::Decode(format!("{word} is no kind").into())))
        .transpose()
}

/// Whether the tenant has onboarded anybody.
pub async fn has_customers(tx: &mut TenantTx, mode: Mode) -> db::Result<bool> {
    let exists = sqlx::query_scalar!(
        r#"select exists (
            select from customer_profile where tenant_id = $1 and mode = $2 and kind = 'person') as "exists!""#,
        tx.tenant().0,
        mode.as_str(),
    );
    exists.fetch_one(&mut **tx).await
}

pub async fn find_by_email(tx: &mut TenantTx, mode: Mode, index: &BlindIndex) -> db::Result<Option<Uuid>> {
    let id = sqlx::query_scalar!(
        "select customer_id from customer_profile where tenant_id = $1 and mode = $2 and email_index = $3",
        tx.tenant().0,
        mode.as_str(),
        index.as_str(),
    );
    id.fetch_optional(&mut **tx).await
}

/// A customer who is known by any of these.
pub async fn find_by_person(tx: &mut TenantTx, mode: Mode, identifiers: &[BlindIndex]) -> db::Result<Option<Uuid>> {
    let words: Vec<&str> = identifiers.iter().map(BlindIndex::as_str).collect();
    let id = sqlx::query_scalar!(
        "select customer_id from customer_identifier
        where tenant_id = $1 and mode = $2 and index = any($3::text[]) limit 1",
        tx.tenant().0,
        mode.as_str(),
        &words as &[&str],
    );
    id.fetch_optional(&mut **tx).await
}

/// Keeps what a document was before and after.
pub async fn insert_change(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    (old, new, remarks): (&Sealed, &Sealed, Option<&Sealed>),
    by: ChangedBy,
    now: DateTime<Utc>,
) -> db::Result<()> {
    let (key, subject, check) = match by {
        ChangedBy::Key(key) => (Some(key), None, None),
        ChangedBy::Subject(subject) => (None, Some(subject), None),
        ChangedBy::IdentityCheck(check) => (None, None, Some(check)),
    };
    sqlx::query!(
        "insert into customer_change (tenant_id, id, customer_id, mode, old_sealed, new_sealed, remarks_sealed, key_id,
            subject, identity_check_id, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        tx.tenant().0,
        Uuid::now_v7(),
        customer,
        mode.as_str(),
        old.0,
        new.0,
        remarks.map(|sealed| sealed.0.as_slice()),
        key,
        subject,
        check,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Whether this is a change of the customer.
pub async fn is_change(tx: &mut TenantTx, customer: Uuid, change: Uuid) -> db::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from customer_change where tenant_id = $1 and customer_id = $2 and id = $3) as "is!""#,
        tx.tenant().0,
        customer,
        change,
    );
    found.fetch_one(&mut **tx).await
}

/// The newest changes of a customer, or the newest before one of them, `limit` at most.
pub async fn changes_of(
    tx: &mut TenantTx,
    customer: Uuid,
    before: Option<Uuid>,
    limit: i64,
) -> db::Result<Vec<Change>> {
    let rows = sqlx::query!(
        r#"select c.id, c.old_sealed, c.new_sealed, c.remarks_sealed, coalesce(k.name, c.subject) as by, c.created_at
        from customer_change c left join api_key k on k.tenant_id = c.tenant_id and k.id = c.key_id
        where c.tenant_id = $1 and c.customer_id = $2
            and c.id < coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        order by c.id desc limit $3"#,
        tx.tenant().0,
        customer,
        limit,
        before,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Change {
            id: row.id,
            old: Sealed(row.old_sealed),
            new: Sealed(row.new_sealed),
            remarks: row.remarks_sealed.map(Sealed),
            by: row.by,
            at: row.created_at,
        })
        .collect())
}

/// A remark as stored.
pub struct Remark {
    pub id: Uuid,
    pub text: Sealed,
    /// The name of the API key.
    pub by: Option<String>,
}

/// What was remarked with the newest updates of a customer, `limit` at most.
pub async fn remarks_of(tx: &mut TenantTx, customer: Uuid, limit: i64) -> db::Result<Vec<Remark>> {
    let rows = sqlx::query!(
        r#"select c.id, c.remarks_sealed as "text!", k.name as "by?"
        from customer_change c left join api_key k on k.tenant_id = c.tenant_id and k.id = c.key_id
        where c.tenant_id = $1 and c.customer_id = $2 and c.remarks_sealed is not null order by c.id desc limit $3"#,
        tx.tenant().0,
        customer,
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| Remark { id: row.id, text: Sealed(row.text), by: row.by }).collect())
}

/// Removes all that a customer has told, and its history.
pub async fn delete_profile(tx: &mut TenantTx, customer: Uuid) -> db::Result<()> {
    let tenant = tx.tenant().0;
    sqlx::query!("delete from customer_change where tenant_id = $1 and customer_id = $2", tenant, customer)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from customer_identifier where tenant_id = $1 and customer_id = $2", tenant, customer)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from customer_profile where tenant_id = $1 and customer_id = $2", tenant, customer)
        .execute(&mut **tx)
        .await
        .map(drop)
}
