//! What only one customer can have, in the documented words.

use insta::assert_snapshot;
use serde_json::json;

use super::at_once;
use super::{acme, badge, onboard, person};
use crate::harness::app::TestApp;
use crate::harness::tenant::phone;

#[tokio::test]
async fn what_another_customer_has_is_refused_by_name() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    onboard(&acme.live, &person(&acme, badge, 1)).await.expect(201);
    let with = async |changes: &[(&str, serde_json::Value)]| {
        let mut body = person(&acme, badge, 2);
        for (field, value) in changes {
            body[*field] = value.clone();
        }
        onboard(&acme.live, &body).await
    };
    let address = json!(format!("0x{:040X}", 1));
    assert_snapshot!(with(&[("accountAddress", address)]).await, @r#"400 {"errors":[{"error_code":"ULOT0043","message":"Blockchain address already exists on the platform, onboarding not permitted.","type":"Duplicate"}]}"#);
    assert_snapshot!(with(&[("customNamespace", json!("Person-1.ETH"))]).await, @r#"400 {"errors":[{"error_code":"ULOT0044","message":"UNS ID (Custom namespace) already exists on the platform, onboarding not permitted.","type":"Duplicate"}]}"#);
    // `l` for `1`.
    assert_snapshot!(with(&[("customNamespace", json!("person-l.eth"))]).await, @r#"400 {"errors":[{"error_code":"ULOT0044","message":"UNS ID (Custom namespace) already exists on the platform, onboarding not permitted.","type":"Duplicate"}]}"#);
    assert_snapshot!(with(&[("email", json!("PERSON1@mail.example"))]).await, @r#"400 {"errors":[{"message":"A user is already been registered with provided email id","type":"Duplicate"}]}"#);
    assert_snapshot!(with(&[("firstName", json!(" jone1 "))]).await, @r#"400 {"errors":[{"error_code":"ULOT0045","message":"Customer has already been onboarded based on unique identification parameters.","type":"Duplicate"}]}"#);
    assert_snapshot!(with(&[("phoneNumber", json!(phone(1)))]).await, @r#"400 {"errors":[{"message":"Wallet user already exists inside tenant","type":"onboard"}]}"#);
    assert_snapshot!(with(&[("accountAddress", json!(app.app.chain.treasury()))]).await, @r#"400 {"errors":[{"message":"Account address already taken","type":"Duplicate"}]}"#);
    assert_snapshot!(with(&[("customNamespace", json!("acme.ul"))]).await, @r#"400 {"errors":[{"message":"Custom namespace is taken","type":"Onboard Customer"}]}"#);
    assert_snapshot!(with(&[("customNamespace", json!("acme.person-1.ul"))]).await, @r#"400 {"errors":[{"message":"Custom namespace is taken","type":"Onboard Customer"}]}"#);
    // The same name with another number of the state's is another person.
    let another = ["ssn", "tin", "stateLicenseId"].map(|number| (number, json!("another")));
    with(&[&[("firstName", json!("Jone1"))][..], &another].concat()).await.expect(201);
}

#[tokio::test]
async fn an_address_is_onboarded_elsewhere_only_by_who_knows_its_name() {
    let app = TestApp::new().await;
    let (acme, of_acme) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let of_globex = badge(&app, &globex, "Silverone").await;
    onboard(&acme.live, &person(&acme, of_acme, 1)).await.expect(201);

    let mut body = person(&globex, of_globex, 1);
    body["customNamespace"] = json!("other.eth");
    for unknown in ["digit.sam.ul", "globex.person-1.ul", ""] {
        body["ulNamespace"] = json!(unknown);
        let answer = onboard(&globex.live, &body).await.expect(400);
        assert_eq!(answer.json["errors"][0]["error_code"], "ULOT0043", "{answer}");
    }
    body["ulNamespace"] = json!("acme.person-1.ul");
    let answer = onboard(&globex.live, &body).await.expect(201);
    // Person, e-mail address and phone number are each tenant's own; the name that somebody registered is not.
    let customer = super::id_of(&answer);
    let wallets = super::details(&globex.live, customer).await["wallets"].clone();
    assert_eq!((&wallets[0]["isGlobal"], &wallets[0]["tenantName"]), (&json!(true), &json!("globex")));
    let mut body = person(&globex, of_globex, 3);
    body["customNamespace"] = json!("person-1.eth");
    let answer = onboard(&globex.live, &body).await.expect(400);
    assert_eq!(answer.json["errors"][0]["error_code"], "ULOT0044", "{answer}");
}

#[tokio::test]
async fn of_two_tenants_that_onboard_one_address_at_once_one_does() {
    let app = TestApp::new().await;
    let (acme, of_acme) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let of_globex = badge(&app, &globex, "Silverone").await;
    let answers = at_once(10, |index| {
        let (tenant, badge) = if index % 2 == 0 { (acme.clone(), of_acme) } else { (globex.clone(), of_globex) };
        let mut body = person(&tenant, badge, u32::try_from(index).unwrap() + 10);
        body["accountAddress"] = json!("0x00000000000000000000000000000000000000bb");
        async move { onboard(&tenant.live, &body).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status, &answer.json["errors"][0]["error_code"]), (400, &json!("ULOT0043")), "{answer}");
    }
}

#[tokio::test]
async fn fault_22_another_tenants_customer_is_not_there_in_any_route() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let own = super::badge(&app, &globex, "Bronzeone").await;
    super::accepted(&globex, own, 5).await;
    let customer = super::accepted(&acme, badge, 1).await;
    let traces = ["Jone1", "person1@mail", "acme.person-1", "person-1.eth", "0000000000000000000000000000000000000001"];
    let get = async |what: &str| globex.live.get(&format!("/tenant/customer/{what}/{customer}")).await.expect(404);
    let mut answers = vec![get("customer-full-details").await, get("pii-customer-details").await];
    answers.push(globex.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(400));
    let update = super::update_of(&globex, own, customer, 1);
    answers.push(globex.live.post("/tenant/customer/update", update).await.expect(400));
    let wallet = json!({
        "customerAccountId": customer, "tenantId": globex.id, "customNamespace": "z.eth", "provider": "ens",
        "accountAddress": "0x00000000000000000000000000000000000000ee",
    });
    answers.push(globex.live.post("/tenant/customer/add-wallet", wallet).await.expect(400));
    let name = json!({"customNamespace": "z.eth"});
    answers.push(globex.live.put(&format!("/tenant/customer/{customer}"), name).await.expect(400));
    for named in ["acme.person-1.ul", "person-1.eth", "0x0000000000000000000000000000000000000001", "acme.ul"] {
        let path = format!("/tenant/customer/primary-wallet/{named}/false");
        answers.push(globex.live.put(&path, json!({})).await.expect(400));
    }
    // Another tenant's badge is nobody's.
    let answer = onboard(&globex.live, &person(&globex, badge, 6)).await.expect(400);
    assert_eq!(answer.json["errors"][0]["error_code"], "ULOT0047", "{answer}");
    answers.push(answer);
    for answer in answers {
        assert!(traces.iter().all(|trace| !answer.text.contains(trace)), "{answer}");
    }
    assert_eq!(super::details(&acme.live, customer).await["wallets"][0]["isPrimary"], true);
}

#[tokio::test]
async fn the_same_person_is_known_by_each_number_however_it_is_written() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let told = |index: u32, numbers: &[(&str, &str)]| {
        let mut body = person(&acme, badge, index);
        body["firstName"] = json!("Jone");
        for number in ["ssn", "tin", "stateLicenseId"] {
            body.as_object_mut().unwrap().remove(number);
        }
        for (number, text) in numbers {
            body[*number] = json!(text);
        }
        body
    };
    onboard(&acme.live, &told(1, &[("ssn", "122-22-2332"), ("stateLicenseId", "D77")])).await.expect(201);
    for same in [&[("ssn", "122222332")][..], &[("tin", "122 22 2332")], &[("stateLicenseId", "d-77"), ("ssn", "9")]] {
        let answer = onboard(&acme.live, &told(2, same)).await.expect(400);
        assert_eq!(answer.json["errors"][0]["error_code"], "ULOT0045", "{same:?}: {answer}");
    }
    onboard(&acme.live, &told(2, &[("ssn", "122-22-2333")])).await.expect(201);
    // At once the database sees to it, whichever of their numbers each of them tells.
    let answers = at_once(10, |index| {
        let other = [("ssn", "5-5"), ("tin", "6-6")][index % 2];
        let body = told(u32::try_from(index).unwrap() + 20, &[other, ("stateLicenseId", "77")]);
        let caller = acme.live.clone();
        async move { onboard(&caller, &body).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status, &answer.json["errors"][0]["error_code"]), (400, &json!("ULOT0045")), "{answer}");
    }
}

#[tokio::test]
async fn another_tenants_own_wallet_is_nobodys_to_onboard() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let globex = app.tenant("globex").await;
    let wallet = globex.customer(&phone(9)).await;
    let mut body = person(&acme, badge, 1);
    body["accountAddress"] = json!(wallet);
    for said in ["", "globex.x.ul", "globex.ul"] {
        body["ulNamespace"] = json!(said);
        let answer = onboard(&acme.live, &body).await.expect(400);
        assert_eq!(answer.json["errors"][0]["error_code"], "ULOT0043", "{answer}");
    }
}

#[tokio::test]
async fn who_was_known_by_an_earlier_form_is_known_by_the_present_one() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let told = |index: u32, ssn: &str| {
        let mut body = person(&acme, badge, index);
        (body["firstName"], body["ssn"]) = (json!("Jone"), json!(ssn));
        for number in ["tin", "stateLicenseId"] {
            body.as_object_mut().unwrap().remove(number);
        }
        body
    };
    for index in 1..=2 {
        onboard(&acme.live, &told(index, &format!("122-22-233{index}"))).await.expect(201);
    }
    // As a migration has left them.
    let sql = "update customer_identifier set index = 'earlier ' || customer_id; update customer_profile set identifiers_form = 1;
        insert into job (id, kind, payload, max_attempts, lease_seconds)
        values (gen_random_uuid(), 'renew_identifiers', '{}', 3, 600)";
    sqlx::raw_sql(sql).execute(&mut app.sql().await).await.unwrap();
    crate::harness::until("they are known again", || async {
        let left = "select count(*) from customer_profile where identifiers_form = 1";
        let left: i64 = sqlx::query_scalar(left).fetch_one(&mut app.sql().await).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
    for same in ["122-22-2331", "122222332"] {
        let answer = onboard(&acme.live, &told(3, same)).await.expect(400);
        assert_eq!(answer.entry()["error_code"], "ULOT0045", "{same}: {answer}");
    }
    let earlier: i64 = sqlx::query_scalar("select count(*) from customer_identifier where index like 'earlier %'")
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!(earlier, 0);
}

#[tokio::test]
async fn two_who_were_let_in_as_two_stay_two() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let first = super::accepted(&acme, badge, 1).await;
    let second = super::accepted(&acme, badge, 2).await;
    // The second is the first, and was let in while digests were of the earlier form.
    let mut update = super::update_of(&acme, badge, second, 2);
    (update["firstName"], update["reRunComplianceCheck"]) = (json!("Jone1"), json!(false));
    let sql = "update customer_identifier set index = 'earlier ' || customer_id; update customer_profile set identifiers_form = 1";
    sqlx::raw_sql(sql).execute(&mut app.sql().await).await.unwrap();
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    let job = "insert into job (id, kind, payload, max_attempts, lease_seconds)
        values (gen_random_uuid(), 'renew_identifiers', '{}', 3, 600)";
    sqlx::raw_sql(job).execute(&mut app.sql().await).await.unwrap();
    crate::harness::until("both are looked at", || async {
        let left = "select count(*) from customer_profile where identifiers_form = 1";
        let left: i64 = sqlx::query_scalar(left).fetch_one(&mut app.sql().await).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
    for (customer, index) in [(first, 1), (second, 2)] {
        let mut update = super::update_of(&acme, badge, customer, index);
        (update["firstName"], update["occupation"]) = (json!("Jone1"), json!("Baker"));
        update["reRunComplianceCheck"] = json!(false);
        acme.live.post("/tenant/customer/update", update).await.expect(202);
    }
    let mut third = person(&acme, badge, 3);
    third["firstName"] = json!("Jone1");
    let answer = onboard(&acme.live, &third).await.expect(400);
    assert_eq!(answer.entry()["error_code"], "ULOT0045", "{answer}");
}
