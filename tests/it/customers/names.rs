//! Names that look alike, and who gets one.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{acme, at_once, badge, onboard, person};
use crate::harness::actor::Answer;
use crate::harness::app::TestApp;

fn minted(answer: &Answer) -> &str {
    answer.json["data"]["domainNamespace"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn no_two_minted_names_look_alike() {
    let app = TestApp::new().await;
    let (acme, of_acme) = acme(&app).await;
    let named = async |index: u32, custom: &str| {
        let mut body = person(&acme, of_acme, index);
        body["customNamespace"] = json!(custom);
        onboard(&acme.live, &body).await.expect(201)
    };
    assert_eq!(minted(&named(1, "bill1.eth").await), "acme.bill1.ul");
    for (index, alike) in [(2, "billl.crypto"), (3, "bill1.wallet")] {
        let answer = named(index, alike).await;
        assert!(minted(&answer).starts_with("acme.") && !minted(&answer).contains("bill"), "{answer}");
    }
    assert_eq!(minted(&named(4, "modern.eth").await), "acme.modern.ul");
    assert_ne!(minted(&named(5, "rnodern.crypto").await), "acme.rnodern.ul");

    // Nor those of two tenants whose roots do.
    let acrne = app.tenant("acrne").await;
    let of_acrne = badge(&app, &acrne, "Bronzeone").await;
    let mut body = person(&acrne, of_acrne, 6);
    body["customNamespace"] = json!("bill1.nft");
    let answer = onboard(&acrne.live, &body).await.expect(201);
    assert!(minted(&answer).starts_with("acrne.") && minted(&answer) != "acrne.bill1.ul", "{answer}");
}

#[tokio::test]
async fn no_custom_name_looks_like_one_of_ours() {
    let app = TestApp::new().await;
    let (acme, of_acme) = acme(&app).await;
    onboard(&acme.live, &person(&acme, of_acme, 1)).await.expect(201);
    let globex = app.tenant("globex").await;
    let of_globex = badge(&app, &globex, "Bronzeone").await;
    let refused = async |custom: &str| -> Value {
        let mut body = person(&globex, of_globex, 2);
        body["customNamespace"] = json!(custom);
        onboard(&globex.live, &body).await.expect(400).json["errors"][0].clone()
    };
    // Minted, not minted yet, of nobody's root, and what looks like each; roots, too.
    for ours in [
        "acme.person-1.ul",
        "acme.person-l.ul",
        "acrne.person-1.ul",
        "acme.person-1.u1",
        "acme.jane.ul",
        "nobody.jane.ul",
        "acme.ul",
        "acrne.ul",
        "ACME.U1",
    ] {
        assert_eq!(
            refused(ours).await,
            json!({"type": "Onboard Customer", "message": "Custom namespace is taken"}),
            "{ours}"
        );
    }
    for disguised in ["xn--80ak6aa92e.com", "jane.XN--p1ai"] {
        assert_eq!(refused(disguised).await["type"], "Validation", "{disguised}");
    }
    // What nobody minted is then free to be minted.
    let mut body = person(&acme, of_acme, 3);
    body["customNamespace"] = json!("jane.eth");
    assert_eq!(minted(&onboard(&acme.live, &body).await.expect(201)), "acme.jane.ul");
    // Other names under `.ul` are custom names like others, as documented.
    let mut body = person(&globex, of_globex, 2);
    body["customNamespace"] = json!("esstech.ul");
    onboard(&globex.live, &body).await.expect(201);
}

#[tokio::test]
async fn of_those_who_want_one_name_at_once_each_gets_another() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let answers = at_once(10, |index| {
        let (caller, mut body) = (acme.live.clone(), person(&acme, badge, u32::try_from(index).unwrap() + 1));
        body["customNamespace"] = json!(format!("jane.registry-{index}"));
        async move { onboard(&caller, &body).await }
    })
    .await;
    let names: HashSet<&str> = answers.iter().map(minted).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names.iter().filter(|name| **name == "acme.jane.ul").count(), 1);
}
