//! Who has which badge.

use super::*;

#[tokio::test]
async fn a_customer_has_one_identification_badge_at_a_time_and_a_history() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let badges = app.badges_of(&acme);
    let jane = app.customer_of(acme.customer(&phone(1)).await).await;
    let (bronze, gold) =
        (badges.starting("Bronze", "IDENTIFICATION").await, badges.starting("Gold", "IDENTIFICATION").await);
    badges.assign(&bronze, jane).await;
    badges.assign(&bronze, jane).await;
    badges.assign(&gold, jane).await;

    let held = async |badge: &str| {
        let list = badges.get(&format!("/{badge}/assignments")).await.expect(200).json;
        list["data"].as_array().unwrap().iter().map(|one| one["ended_at"].is_null()).collect::<Vec<_>>()
    };
    assert_eq!((held(&bronze).await, held(&gold).await), (vec![false], vec![true]));
    badges.delete(&format!("/{gold}/assignments/{jane}")).await.expect(204);
    assert_eq!(held(&gold).await, [false]);
    let gone = badges.delete(&format!("/{gold}/assignments/{jane}")).await;
    assert_snapshot!(gone, @r#"404 {"error":"assignment_not_found","message":"the customer does not have this badge"}"#);

    // Nobody's customer, another tenant's, and a badge out of use.
    let assign = async |badge: &str, body: Value| badges.post(&format!("/{badge}/assignments"), body).await;
    let joe = app.customer_of(globex.customer(&phone(2)).await).await;
    for customer in [joe, Uuid::now_v7()] {
        let refused = assign(&gold, json!({"customer_id": customer})).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"404 {"error":"customer_not_found","message":"there is no such customer"}"#); }
    }
    badges.post(&format!("/{gold}"), json!({"is_active": false})).await.expect(200);
    let refused = assign(&gold, json!({"customer_id": jane})).await;
    assert_snapshot!(refused, @r#"409 {"error":"badge_inactive","message":"the badge is out of use"}"#);
    let limits = badges.starting("Bronze", "FINANCIAL").await;
    let body =
        json!({"customer_id": jane, "token": "USDC", "wallet_address": "0x0000000000000000000000000000000000000001"});
    assert_snapshot!(assign(&limits, body).await, @r#"400 {"error":"invalid_wallet_address","message":"wallet_address is no wallet of this customer"}"#);
}

#[tokio::test]
async fn a_person_is_given_no_badge_of_businesses() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let badges = app.badges_of(&acme);
    let wallet = acme.customer(&phone(1)).await;
    let jane = app.customer_of(wallet).await;
    for kind in ["IDENTIFICATION", "INFORMATION", "FINANCIAL"] {
        let body = json!({"name": "Traders", "kind": kind, "user_group": "BUSINESS_USER"});
        let badge = badges.post("", body).await.expect(201).json["id"].as_str().unwrap().to_owned();
        let body = json!({"customer_id": jane, "token": "USDC", "wallet_address": wallet.to_string()});
        let refused = badges.post(&format!("/{badge}/assignments"), body).await;
        allow_duplicates! { assert_snapshot!(refused, @r#"409 {"error":"badge_of_another_group","message":"the badge is for another user group than the customer's"}"#); }
    }
}

#[tokio::test]
async fn wallets_financial_badges_are_listed_and_taken_one_by_one() {
    let app = TestApp::new().await;
    let (acme, badge) = customers::acme(&app).await;
    acme.top_up("USDC", "100").await;
    let badges = app.badges_of(&acme);
    let jane = customers::accepted(&acme, badge, 1).await;
    let wallet = acme.customer(&phone(1)).await.to_string();
    let limits = badges.of_kind("Limits", "FINANCIAL").await;
    badges.rule(&limits, "amount < tokens(\"5\")", "ULTT0001").await;
    // An address of her own, through which no money moves here: its badge decides nothing.
    let body = json!({
        "customerAccountId": jane, "tenantId": acme.id, "customNamespace": "second.eth", "provider": "ens",
        "accountAddress": format!("0xaa{:038x}", 1), "financialBadgeId": limits, "tokenSymbol": "USDC",
    });
    acme.live.post("/tenant/customer/add-wallet", body).await.expect(201);
    acme.fund(&phone(1), "dep-1", "5").await.expect(202);
    for token in ["USDC", "USDT"] {
        let body = json!({"customer_id": jane, "wallet_address": wallet, "token": token});
        badges.post(&format!("/{limits}/assignments"), body).await.expect(200);
    }
    assert_eq!(acme.fund(&phone(1), "dep-2", "5").await.expect(403).json["error_code"], "ULTT0001");

    let path = format!("/{limits}/assignments");
    let listed = async || {
        let (mut told, mut next) = (Vec::new(), String::new());
        loop {
            let page = badges.get(&format!("{path}?limit=1{next}")).await.expect(200).json;
            let Some(one) = page["data"].get(0) else { break };
            assert_eq!((&one["customer_id"], &one["mode"]), (&json!(jane), &json!("live")));
            let is_external = one["wallet_address"].as_str().unwrap() != wallet;
            told.push(format!("{} {}", if is_external { "external" } else { "ours" }, one["token"].as_str().unwrap()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        told
    };
    assert_eq!(listed().await, ["ours USDT", "ours USDC", "external USDC"]);
    let one = format!("{path}/{jane}");
    let nobodys = format!("{one}?wallet_address=0x{:040x}", 7);
    assert_eq!(badges.delete(&nobodys).await.expect(404).error(), "assignment_not_found");
    badges.delete(&format!("{one}?wallet_address={wallet}&token=USDT")).await.expect(204);
    assert_eq!(listed().await, ["ours USDC", "external USDC"]);
    badges.delete(&format!("{one}?wallet_address={wallet}")).await.expect(204);
    assert_eq!(listed().await, ["external USDC"]);
    acme.fund(&phone(1), "dep-2", "5").await.expect(202);
    badges.delete(&one).await.expect(204);
    assert_eq!(listed().await, [""; 0]);
    badges.delete(&one).await.expect(404);
    for query in ["wallet_address=0x12", "token=USDC"] {
        badges.delete(&format!("/{badge}/assignments/{jane}?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn who_has_a_rare_badge_is_found_without_reading_who_has_others() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let badges = app.badges_of(&acme);
    let (common, rare) = (badges.of_kind("Common", "INFORMATION").await, badges.of_kind("Rare", "INFORMATION").await);
    let jane = app.customer_of(acme.customer(&phone(1)).await).await;
    badges.assign(&rare, jane).await;
    let mut sql = app.sql().await;
    sqlx::query("set session_replication_role = replica").execute(&mut sql).await.unwrap();
    sqlx::query(
        "insert into badge_assignment (tenant_id, id, mode, customer_id, badge_id, kind)
        select $1, gen_random_uuid(), 'live', gen_random_uuid(), $2::uuid, 'INFORMATION' from generate_series(1, 5000)",
    )
    .bind(acme.id.0)
    .bind(&common)
    .execute(&mut sql)
    .await
    .unwrap();
    sqlx::query("analyze badge_assignment").execute(&mut sql).await.unwrap();
    let looks = async || -> (i64, i64) {
        let query = "select (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::bigint,
                (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
            from pg_stat_user_tables where relname = 'badge_assignment'";
        sqlx::query_as(query).fetch_one(&mut app.sql().await).await.unwrap()
    };
    let before = looks().await;
    for _ in 0..20 {
        let listed = badges.get(&format!("/{rare}/assignments")).await.expect(200).json;
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    }
    // The database tells a little later, of so many looks how much they read.
    let read = until("the database tells", || async {
        let after = looks().await;
        (after.0 >= before.0 + 20).then_some(after.1 - before.1)
    })
    .await;
    assert!(read < 2000, "{read}");
}
