//! What is stored of a change: the sealed number, the salt, and who did it.

use diolkos::foundation::{Sealed, WrappedKey};
use sqlx::Row;

use super::{index_of, phone, provision, update, update_of};
use crate::harness::app::TestApp;
use crate::harness::tenant::TestTenant;

#[tokio::test]
async fn who_moved_whom_is_kept_without_any_number() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let first = provision(&acme.live, &phone(1)).await;
    let second = update(&acme.live, &phone(1), &phone(2)).await.expect(200).json;
    let third = update_of(&acme.dashboard, index_of(&second), &phone(3)).await.expect(200).json;

    let mut sql = app.sql().await;
    let query =
        "select concat_ws(' ', p.old_blind_index, p.new_blind_index, p.mode, 'key', k.name, 'subject', p.subject)
        from phone_change p left join api_key k on k.tenant_id = p.tenant_id and k.id = p.key_id order by p.id";
    let kept: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut sql).await.unwrap();
    let [first, second, third] = [&first, &second, &third].map(index_of);
    assert_eq!(
        kept,
        [format!("{first} {second} live key live subject"), format!("{second} {third} live key subject test")]
    );
    let dump = "select string_agg(to_jsonb(p)::text, '') || string_agg(encode(c.phone_sealed, 'escape'), '')
        from phone_change p, customer c";
    let everything: String = sqlx::query_scalar(dump).fetch_one(&mut sql).await.unwrap();
    for number in 1..=3 {
        assert!(!everything.contains(&phone(number)[4..]));
    }
}

#[tokio::test]
async fn what_is_kept_is_kept_for_good() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    provision(&acme.live, &phone(1)).await;
    update(&acme.live, &phone(1), &phone(2)).await.expect(200);
    for forbidden in ["update phone_change set subject = 'nobody'", "delete from phone_change", "truncate phone_change"]
    {
        let mut tx = app.app.db.tenant(acme.id).begin().await.unwrap();
        let refused = sqlx::query(forbidden).execute(&mut *tx).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{forbidden}");
    }
}

#[tokio::test]
async fn a_wallets_address_comes_from_the_salt_that_it_keeps() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    provision(&acme.live, &phone(1)).await;
    update(&acme.live, &phone(1), &phone(2)).await.expect(200);
    provision(&acme.live, &phone(1)).await;

    let rows = sqlx::query("select salt, address from wallet").fetch_all(&mut app.sql().await).await.unwrap();

    assert_eq!(rows.len(), 2);
    for row in rows {
        let (salt, address): (Vec<u8>, Vec<u8>) = (row.get("salt"), row.get("address"));
        assert_eq!(app.app.chain.wallets().address(salt.try_into().unwrap()).to_vec(), address);
    }
}

#[tokio::test]
async fn a_customers_key_opens_the_new_number() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    provision(&acme.live, &phone(1)).await;
    update(&acme.live, &phone(1), &phone(2)).await.expect(200);
    assert_eq!(number_of(&app, &acme).await, phone(2));
}

/// The number that the tenant's only customer has, opened as an export would.
async fn number_of(app: &TestApp, tenant: &TestTenant) -> String {
    let mut tx = app.app.db.tenant(tenant.id).begin().await.unwrap();
    let query = "select id::text, wrapped_key, phone_sealed from customer";
    let (id, wrapped, sealed): (String, Vec<u8>, Vec<u8>) = sqlx::query_as(query).fetch_one(&mut *tx).await.unwrap();
    let key = app.app.keys.of(&mut tx).await.unwrap();
    let key = key.unwrap_key(&format!("data key of customer {} {id}", tenant.id), &WrappedKey(wrapped)).unwrap();
    let phone = key.open(&format!("phone of customer {} {id}", tenant.id), &Sealed(sealed)).unwrap();
    String::from_utf8(phone.to_vec()).unwrap()
}
