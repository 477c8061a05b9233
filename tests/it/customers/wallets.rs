//! Adding wallets, naming them, and which is the primary one.

use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{accepted, acme, at_once, details, person};
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, phone};

/// A financial badge.
pub async fn financial_badge(app: &TestApp, tenant: &TestTenant) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "insert into badge (tenant_id, id, name, kind, user_group) values ($1, $2, 'LowIncome', 'FINANCIAL', 'WALLET_USER')",
    )
    .bind(tenant.id.0)
    .bind(id)
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    id
}

pub fn wallet(tenant: &TestTenant, customer: Uuid, index: u32) -> Value {
    json!({
        "customerAccountId": customer,
        "tenantId": tenant.id,
        "customNamespace": format!("second{index}.eth"),
        "provider": "ens",
        "accountAddress": format!("0xaa{index:038x}"),
    })
}

#[tokio::test]
async fn a_wallet_is_added_with_a_name_of_its_own() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let answer = acme.live.post("/tenant/customer/add-wallet", wallet(&acme, customer, 1)).await.expect(201);
    assert_eq!(
        answer.json,
        json!({
            "data": {"customerAccountId": customer, "namespace": "acme.second1.ul"},
            "message": "wallet added successfully",
        })
    );
    let wallets = details(&acme.live, customer).await["wallets"].clone();
    assert_eq!((&wallets[0]["isPrimary"], &wallets[1]["isPrimary"]), (&json!(true), &json!(false)));
    assert_eq!(wallets[1]["customNamespace"], "second1.eth");

    // What is not ours is not taken for ours: nobody is paid there, and nothing is looked at there.
    acme.live.get("/v1/users/balance?phone_number=%2B2250700000001").await.expect(404);
    acme.live.post("/v1/users/fund", crate::harness::tenant::fund_body(&phone(1), "dep-1", "1")).await.expect(404);
    let indexed: i64 = sqlx::query_scalar("select count(*) from indexed_account where kind = 'wallet'")
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!(indexed, 0);
}

#[tokio::test]
async fn a_wallet_that_cannot_be_added_is_refused_in_the_documented_words() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let customer = accepted(&acme, badge, 1).await;
    accepted(&acme, badge, 2).await;
    let with = async |changes: &[(&str, Value)]| {
        let mut body = wallet(&acme, customer, 3);
        for (field, value) in changes {
            body[*field] = value.clone();
        }
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        acme.live.post("/tenant/customer/add-wallet", body).await
    };
    let unknown = json!(Uuid::now_v7());
    assert_snapshot!(with(&[("customerAccountId", unknown.clone())]).await, @r#"400 {"errors":[{"message":"Wallet user details not found","type":"Add Wallet"}]}"#);
    assert_snapshot!(with(&[("customerAccountId", json!(null)), ("businessUserId", unknown.clone())]).await, @r#"400 {"errors":[{"message":"Wallet user details not found","type":"Add Wallet"}]}"#);
    assert_snapshot!(with(&[("businessUserId", unknown.clone())]).await, @r#"400 {"errors":[{"message":"businessUserId must not be given together with customerAccountId","type":"Validation"}]}"#);
    assert_snapshot!(with(&[("customerAccountId", json!(null))]).await, @r#"400 {"errors":[{"message":"customerAccountId is required","type":"Validation"}]}"#);
    for address in [format!("0x{:040x}", 1), format!("0x{:040x}", 2), app.app.chain.treasury().to_string()] {
        let answer = with(&[("accountAddress", json!(address))]).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Please use unique account address","type":"Add Wallet"}]}"#); }
    }
    for name in ["person-2.eth", "person-1.eth", "acme.ul"] {
        let answer = with(&[("customNamespace", json!(name))]).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Custom namespace is already taken","type":"Add Wallet"}]}"#); }
    }
    assert_snapshot!(with(&[("financialBadgeId", unknown), ("tokenSymbol", json!("USDC"))]).await, @r#"400 {"errors":[{"message":"Something went wrong, please try again","type":"Add Wallet"}]}"#);
    assert_eq!(with(&[("tenantId", json!(globex.id))]).await.status, 403);

    // Somebody whom nobody has onboarded.
    acme.customer(&phone(9)).await;
    let query = "select id from customer where id not in (select customer_id from customer_profile)";
    let known: Uuid = sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap();
    assert_snapshot!(with(&[("customerAccountId", json!(known))]).await, @r#"400 {"errors":[{"message":"Not able to fetch basic details of wallet user","type":"Add Wallet"}]}"#);
}

#[tokio::test]
async fn of_ten_who_add_one_address_at_once_one_does() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let answers = at_once(10, |index| {
        let (caller, mut body) = (acme.live.clone(), wallet(&acme, customer, 1));
        body["customNamespace"] = json!(format!("wallet-{index}.eth"));
        async move { caller.post("/tenant/customer/add-wallet", body).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.status == 400), "{}", answers[0]);
    assert_eq!(details(&acme.live, customer).await["wallets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_customer_has_one_primary_wallet_or_none() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let customer = accepted(&acme, badge, 1).await;
    acme.live.post("/tenant/customer/add-wallet", wallet(&acme, customer, 1)).await.expect(201);
    let set = async |name: &str, to: &str| {
        acme.live.put(&format!("/tenant/customer/primary-wallet/{name}/{to}"), json!({})).await
    };
    let primary = async || -> Vec<bool> {
        let wallets = details(&acme.live, customer).await["wallets"].clone();
        wallets.as_array().unwrap().iter().map(|wallet| wallet["isPrimary"] == true).collect()
    };
    // By the name that we gave, by the one that somebody else did, by address; as the document writes it, too.
    set("acme.second1.ul", "True").await.expect(200);
    assert_eq!(primary().await, [false, true]);
    set("person-1.eth", "true").await.expect(200);
    assert_eq!(primary().await, [true, false]);
    set(&format!("0xaA{:038x}", 1), "true").await.expect(200);
    assert_eq!(primary().await, [false, true]);
    set("person-1.eth", "false").await.expect(200);
    assert_eq!(primary().await, [false, true], "it was not the primary one");
    set("acme.second1.ul", "false").await.expect(200);
    assert_eq!(primary().await, [false, false]);
    let answers = at_once(10, |index| {
        let (caller, name) = (acme.live.clone(), ["acme.second1.ul", "acme.person-1.ul"][index % 2]);
        async move { caller.put(&format!("/tenant/customer/primary-wallet/{name}/true"), json!({})).await }
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{}", answers[0]);
    assert_eq!(primary().await.iter().filter(|is_primary| **is_primary).count(), 1);

    assert_snapshot!(set("acme.second1.ul", "perhaps").await, @r#"400 {"errors":[{"message":"isPrimary must be true or false","type":"Validation"}]}"#);
    for nobodys in ["acme.nobody.ul", "acme.ul", "sans.ul", "%27%3B--"] {
        let answer = set(nobodys, "true").await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"There is no such customer account in the given tenant id","type":"No data available"}]}"#); }
    }
    let path = "/tenant/customer/primary-wallet/acme.second1.ul/true";
    globex.live.put(path, json!({})).await.expect(400);
    acme.test.put(path, json!({})).await.expect(400);
}

#[tokio::test]
async fn a_customers_custom_name_can_be_another_that_nobody_has() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let customer = accepted(&acme, badge, 1).await;
    accepted(&acme, badge, 2).await;
    let path = format!("/tenant/customer/{customer}");
    acme.live.put(&path, json!({"customNamespace": "MyNamespace"})).await.expect(200);
    assert_eq!(details(&acme.live, customer).await["customNamespace"], "mynamespace");
    acme.live.put(&path, json!({"customNamespace": "mynamespace"})).await.expect(200);
    for taken in ["person-2.eth", "acme.ul", "acme.person-2.ul"] {
        let answer = acme.live.put(&path, json!({"customNamespace": taken})).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"Custom namespace is taken","type":"Onboard Customer"}]}"#); }
    }
    acme.live.put(&path, json!({"customNamespace": ""})).await.expect(400);
    acme.live.put(&path, json!({})).await.expect(400);
    for (caller, path) in [(&globex.live, &*path), (&acme.test, &*path), (&acme.live, "/tenant/customer/x")] {
        let answer = caller.put(path, json!({"customNamespace": "other"})).await;
        allow_duplicates! { assert_snapshot!(answer, @r#"400 {"errors":[{"message":"There is no such customer account in the given tenant id","type":"No data available"}]}"#); }
    }
    // The name that is left is free.
    let mut body = person(&acme, badge, 3);
    body["customNamespace"] = json!("person-1.eth");
    super::onboard(&acme.live, &body).await.expect(201);
}

#[tokio::test]
async fn a_customer_who_came_by_phone_number_is_named_at_the_address_that_has_a_name() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    acme.customer(&phone(1)).await;
    let customer = accepted(&acme, badge, 1).await;
    let told = details(&acme.live, customer).await;
    assert_eq!(told["wallets"][0]["isPrimary"], true, "the wallet that is ours is the primary one");
    assert_eq!((&told["domainNamespace"], &told["namespaceProvider"]), (&json!("acme.person-1.ul"), &json!("ens")));
    acme.live
        .put(&format!("/tenant/customer/{customer}"), json!({"customNamespace": "janedoe.crypto"}))
        .await
        .expect(200);
    let told = details(&acme.live, customer).await;
    assert_eq!(told["customNamespace"], "janedoe.crypto");
    let named = |wallet: &Value| [wallet["customNamespace"].clone(), wallet["domainNamespace"].clone()];
    assert_eq!(named(&told["wallets"][0]), [Value::Null, Value::Null]);
    assert_eq!(named(&told["wallets"][1]), ["janedoe.crypto", "acme.person-1.ul"].map(|name| json!(name)));
    // Nobody has said where the new name is registered.
    assert_eq!(told["namespaceProvider"], Value::Null);
}

#[tokio::test]
async fn a_customer_has_a_hundred_wallets_at_most() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    sqlx::query(
        "insert into wallet (tenant_id, id, customer_id, mode, kind, address, is_primary)
        select $1, gen_random_uuid(), $2, 'live', 'external', decode(lpad(to_hex(n), 40, 'b'), 'hex'), false
        from generate_series(1, 98) n",
    )
    .bind(acme.id.0)
    .bind(customer)
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    acme.live.post("/tenant/customer/add-wallet", wallet(&acme, customer, 1)).await.expect(201);
    let refused = acme.live.post("/tenant/customer/add-wallet", wallet(&acme, customer, 2)).await;
    assert_snapshot!(refused, @r#"400 {"errors":[{"message":"The wallet user has too many wallets","type":"Add Wallet"}]}"#);
}

#[tokio::test]
async fn a_wallet_that_is_added_again_with_its_key_is_the_same_whatever_has_become_of_its_name() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    let (keyed, mut body) = (acme.live.with("idempotency-key", "once"), wallet(&acme, customer, 1));
    body["customNamespace"] = json!("newco.ul");
    let first = keyed.post("/tenant/customer/add-wallet", body.clone()).await.expect(201);
    app.tenant("newco").await;
    let again = keyed.post("/tenant/customer/add-wallet", body).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
}
