//! Templates: versions, what they may do, and what people type into them.

use super::*;

#[tokio::test]
async fn what_people_type_is_escaped_in_what_they_are_shown() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let mut body = example();
    body["firstName"] = json!("<script>alert(1)</script>");
    body["lastName"] = json!("{{ tax_id_number }}");
    body["address"]["city"] = json!("\"><img src=x>");
    let shown = acme.live.post(PREVIEW, body).await.expect(200).json["data"][0].clone();
    let content = shown["content"].as_str().unwrap();
    assert!(!content.contains("<script") && !content.contains("<img"), "{content}");
    assert!(content.contains("&lt;script&gt;alert(1)") && content.contains("{{ tax_id_number }}"), "{content}");
    assert_eq!(shown["first_name"], "<script>alert(1)</script>");
}

#[tokio::test]
async fn a_new_version_is_shown_from_then_on_and_changes_nothing_that_was_shown() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let globex = app.tenant("globex").await;
    let before = preview(&acme.live).await;
    let shown = acme.live.get(&format!("{LIST}?agreementId={before}")).await.text;

    let published = publish(&app, &acme, "US_PATRIOTIC_ACT", "<p>I am {{ full_name }}.</p>").await;
    assert_snapshot!(published.redacted(), @r#"201 {"id":"[uuid]","type":"US_PATRIOTIC_ACT","version":2,"html":"<p>I am {{ full_name }}.</p>","created_at":"[time]"}"#);
    publish(&app, &acme, "EU_NOTICE", "<p>{{ first_name }} from {{ country }}</p>").await.expect(201);

    let content = |answer: &Answer, index: usize| answer.json["data"][index]["content"].as_str().map(str::to_owned);
    let after = acme.live.post(PREVIEW, example()).await.expect(200);
    assert_eq!(content(&after, 0).unwrap(), "<p>Jone from BO</p>");
    assert_eq!(content(&after, 1).unwrap(), "<p>I am Jone string Doe.</p>");
    assert_eq!(acme.live.get(&format!("{LIST}?agreementId={before}")).await.text, shown);
    let theirs = globex.live.post(PREVIEW, example()).await.expect(200);
    assert!(content(&theirs, 0).unwrap().contains("PATRIOT Act notice"), "{theirs}");

    let retire = |kind: &str| format!("/admin/tenants/{}/agreement-templates/{kind}", acme.id);
    for kind in ["EU_NOTICE", "US_PATRIOTIC_ACT", "UL_TEMPLATE"] {
        app.operator().delete(&retire(kind)).await.expect(204);
        let again = app.operator().delete(&retire(kind)).await;
        allow_duplicates! { assert_snapshot!(again, @r#"404 {"error":"template_not_found","message":"there is no template of this type in use"}"#); }
    }
    for (path, body) in [(PREVIEW, example()), (PREVIEW_UL, example_ul())] {
        let none = acme.live.post(path, body).await;
        allow_duplicates! { assert_snapshot!(none, @r#"404 {"errors":[{"message":"No data found","type":"fetch"}]}"#); }
    }
    publish(&app, &acme, "US_PATRIOTIC_ACT", "<p>third</p>").await.expect(201);
    assert_eq!(content(&acme.live.post(PREVIEW, example()).await.expect(200), 0).unwrap(), "<p>third</p>");

    let listed =
        app.operator().get(&format!("/admin/tenants/{}/agreement-templates?limit=100", acme.id)).await.expect(200);
    let told =
        |version: &Value| format!("{} {} {}", version["type"], version["version"], version["retired_at"].is_string());
    let told: Vec<_> = listed.json["data"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(told[..3], [r#""US_PATRIOTIC_ACT" 3 false"#, r#""EU_NOTICE" 1 true"#, r#""US_PATRIOTIC_ACT" 2 true"#]);
    assert_eq!(told.len(), 7);
}

#[tokio::test]
async fn a_template_that_cannot_be_filled_in_is_not_published() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let refused = async |kind: &str, html: &str| publish(&app, &acme, kind, html).await.to_string();
    assert_snapshot!(refused("UL_TEMPLATE", "<p>{{ date_of_birth }}</p>").await, @r#"400 {"error":"invalid_html","message":"html line 1: undefined value"}"#);
    assert_snapshot!(refused("PRIVACY_POLICY", "\n{{ full_name }}").await, @r#"400 {"error":"invalid_html","message":"html line 2: undefined value"}"#);
    assert_snapshot!(refused("UL_TEMPLATE", "{% set a = 1 %}").await, @r#"400 {"error":"invalid_html","message":"html line 1: a template has no statements but if, elif, else and for"}"#);
    assert_snapshot!(refused("UL_TEMPLATE", "{{").await, @r#"400 {"error":"invalid_html","message":"html line 1: syntax error"}"#);
    assert_snapshot!(refused("UL_TEMPLATE", "").await, @r#"400 {"error":"invalid_html","message":"html must have 1 to 100000 characters"}"#);
    assert_snapshot!(refused("patriot", "x").await, @r#"400 {"error":"invalid_type","message":"type is not valid: must be a word of at most 50 upper-case letters, digits and underscores, such as US_PATRIOTIC_ACT"}"#);
    // Good with lines to fill in, and not for everybody: only then it is noticed, and the tenant is told as documented.
    publish(&app, &acme, "US_PATRIOTIC_ACT", "{% if middle_name == '________' %}x{% else %}{{ nobody }}{% endif %}")
        .await
        .expect(201);
    publish(&app, &acme, "UL_TEMPLATE", "{% if full_name == '________' %}x{% else %}{{ nobody }}{% endif %}")
        .await
        .expect(201);
    for refused in [acme.live.post(PREVIEW, example()).await, acme.live.post(PREVIEW_UL, example_ul()).await] {
        allow_duplicates! { assert_snapshot!(refused, @r#"400 {"errors":[{"message":"Could't fetch token","type":"fetch"}]}"#); }
    }

    for unknown in ["x", "01990000-0000-7000-8000-000000000009"] {
        let path = format!("/admin/tenants/{unknown}/agreement-templates");
        for answer in [
            app.operator().post(&path, json!({"type": "X", "html": "x"})).await,
            app.operator().get(&path).await,
            app.operator().delete(&format!("{path}/X")).await,
        ] {
            allow_duplicates! { assert_snapshot!(answer, @r#"404 {"error":"tenant_not_found","message":"there is no such tenant"}"#); }
        }
    }
}

#[tokio::test]
async fn anybody_of_the_tenants_reads_its_terms_before_signing_in() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let device = |tenant| {
        let token = app.app.auth.jwt().issue_preauth("device-1", tenant, app.app.clock.now()).unwrap();
        Actor::bearer(&app.base_url, secrecy::ExposeSecret::expose_secret(&token))
    };
    publish(&app, &acme, "PRIVACY_POLICY", "<p>{{ tenant }} keeps little</p>").await.expect(201);
    for caller in [&acme.live, &acme.test, &device(Some(acme.id))] {
        let read = caller.get(&format!("{DOCUMENT}?type=PRIVACY_POLICY")).await;
        allow_duplicates! { assert_snapshot!(read.redacted(), @r#"200 {"message":"Fetched template successfully","data":{"templateId":"[uuid]","html":"<p>acme keeps little</p>","type":"PRIVACY_POLICY"}}"#); }
    }
    let blank = acme.live.get(&format!("{DOCUMENT}?type=UL_TEMPLATE")).await.expect(200);
    assert!(blank.json["data"]["html"].as_str().unwrap().contains("________"), "{blank}");
    acme.live.get(&format!("{DOCUMENT}?type=TERMS_CONDITIONS")).await.expect(200);

    assert_snapshot!(acme.live.get(&format!("{DOCUMENT}?type=LOTTERY")).await, @r#"400 {"errors":[{"message":"No Template with the type LOTTERY","type":"Agreement"}]}"#);
    assert_snapshot!(acme.live.get(&format!("{DOCUMENT}?type=%3Cb%3E")).await, @r#"400 {"errors":[{"message":"No Template with the type <b>","type":"Agreement"}]}"#);
    assert_snapshot!(acme.live.get(DOCUMENT).await, @r#"400 {"errors":[{"message":"type is required","type":"Validation"}]}"#);
    assert_eq!(device(None).get(&format!("{DOCUMENT}?type=PRIVACY_POLICY")).await.status, 403);
    assert_eq!(device(Some(acme.id)).get(LIST).await.status, 401);
}
