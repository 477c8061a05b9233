//! Papers: what they are, where they lie, and that nobody reads them there.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use super::{accepted, acme, id_of, onboard, person};
use crate::harness::app::TestApp;
use crate::harness::until;

/// A server whose papers lie in a folder.
async fn with_folder() -> (TestApp, PathBuf) {
    let folder = std::env::temp_dir().join(format!("diolkos-papers-{}", Uuid::now_v7()));
    let url = url::Url::from_directory_path(&folder).unwrap().to_string();
    (TestApp::with(|variables| drop(variables.insert("DOCUMENT_STORE", url))).await, folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn waiting(app: &TestApp) -> i64 {
    let query = "select count(*) from customer_document where content is not null";
    sqlx::query_scalar(query).fetch_one(&mut app.sql().await).await.unwrap()
}

#[tokio::test]
async fn papers_move_sealed_to_the_document_store_and_go_with_their_customer() {
    let (app, folder) = with_folder().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    until("the papers have moved", || async { (waiting(&app).await == 0).then_some(()) }).await;
    let stored = files(&folder);
    // A government document, a proof of address, a passport and a face.
    assert_eq!(stored.len(), 4);
    for file in &stored {
        let content = std::fs::read(file).unwrap();
        assert!(!content.windows(4).any(|part| part == b"IHDR"), "{file:?} can be read");
    }
    // They can be read back with the customer's key: whoever looks again sees them.
    let mut update = super::update_of(&acme, badge, customer, 1);
    update["lastName"] = json!("Looked At Again");
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;

    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    until("nothing is left", || async { files(&folder).is_empty().then_some(()) }).await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_store_that_is_away_holds_nobody_up() {
    let (app, folder) = with_folder().await;
    // A file where the store wants a folder: nothing can be put.
    std::fs::write(&folder, b"").unwrap();
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    assert_eq!(waiting(&app).await, 4);
    std::fs::remove_file(&folder).unwrap();
    until("the papers have moved", || async { (waiting(&app).await == 0).then_some(()) }).await;
    assert_eq!(files(&folder).len(), 4);
    let told = super::details(&acme.live, customer).await;
    assert_eq!(told["documents"].as_array().unwrap().len(), 4);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_is_no_paper_is_refused_whatever_it_is_called() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    for (content, why) in [
        ("string", "is neither a picture (JPEG, PNG, WebP, TIFF, HEIF, GIF) nor a PDF"),
        ("not base64!", "is not base64"),
        (&STANDARD.encode(b"MZ\x90\0\x03\0\0\0"), "is neither a picture (JPEG, PNG, WebP, TIFF, HEIF, GIF) nor a PDF"),
        (&STANDARD.encode(b"<html><script>"), "is neither a picture (JPEG, PNG, WebP, TIFF, HEIF, GIF) nor a PDF"),
    ] {
        let mut body = person(&acme, badge, 1);
        body["governmentDocuments"][0]["content"] = json!(content);
        let answer = onboard(&acme.live, &body).await.expect(400);
        let said = &answer.json["errors"][0]["message"];
        assert_eq!(said, &json!(format!("governmentDocuments[0].content {why}")), "{answer}");
        let mut body = person(&acme, badge, 1);
        body["selfieContent"] = json!(content);
        let answer = onboard(&acme.live, &body).await.expect(400);
        assert_eq!(answer.json["errors"][0]["message"], format!("selfieContent {why}"), "{answer}");
    }
    let mut body = person(&acme, badge, 1);
    body["selfieContent"] = json!(STANDARD.encode(b"%PDF-1.7\n"));
    let answer = onboard(&acme.live, &body).await.expect(400);
    assert_eq!(answer.json["errors"][0]["message"], "selfieContent is not a picture");
    let mut body = person(&acme, badge, 1);
    body["passport"]["content"] = json!("");
    let answer = onboard(&acme.live, &body).await.expect(400);
    assert_eq!(answer.json["errors"][0]["message"], "There are no sufficient documents");
}

#[tokio::test]
async fn a_paper_of_megabytes_is_taken_and_a_larger_one_is_not() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let picture = |size: usize| {
        let mut content = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        content.resize(size, 7);
        json!(STANDARD.encode(content))
    };
    let mut body = person(&acme, badge, 1);
    body["selfieContent"] = picture((5 << 20) + 1);
    let answer = onboard(&acme.live, &body).await.expect(400);
    assert_eq!(answer.json["errors"][0]["message"], "selfieContent is larger than 5 MiB");
    body["selfieContent"] = picture(5 << 20);
    id_of(&onboard(&acme.live, &body).await.expect(201));

    let mut body = person(&acme, badge, 2);
    for paper in ["selfieContent", "verifiedPhoto"] {
        body[paper] = picture(5 << 20);
    }
    body["governmentDocuments"][0]["content"] = picture(2_100_000);
    // A few kilobytes more than 16 MiB: whoever sends far more may find the connection closed before the answer.
    onboard(&acme.live, &body).await.expect(413);
    // Other routes take no more than before.
    let wallet = json!({"tenantId": acme.id, "padding": "x".repeat(1 << 20)});
    acme.live.post("/tenant/customer/add-wallet", wallet).await.expect(413);
}

#[tokio::test]
async fn of_papers_that_were_replaced_the_newest_are_kept() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    sqlx::query(
        "insert into customer_document (tenant_id, id, customer_id, mode, media_type, size, content)
        select $1, gen_random_uuid(), $2, 'live', 'image/png', 1, 'x' from generate_series(1, 150)",
    )
    .bind(acme.id.0)
    .bind(customer)
    .execute(&mut app.sql().await)
    .await
    .unwrap();
    let update = super::update_of(&acme, badge, customer, 1);
    acme.live.post("/tenant/customer/update", update).await.expect(202);
    super::until_compliance_is(&acme.live, customer, "ACCEPTED").await;
    // Those that the customer is known by, and a hundred.
    let named = super::details(&acme.live, customer).await["documents"].as_array().unwrap().len();
    let kept: i64 =
        sqlx::query_scalar("select count(*) from customer_document").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!((named, kept), (4, 104));
}

#[tokio::test]
async fn a_worker_that_does_not_know_the_document_store_does_not_pretend() {
    let (mut app, folder) = with_folder().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    until("the papers have moved", || async { (waiting(&app).await == 0).then_some(()) }).await;
    let store = app.variables.remove("DOCUMENT_STORE").unwrap();
    app.restart().await;
    acme.at(&app.base_url).live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    until("operators see the job", || async {
        let query = "select last_error from job where kind = 'remove_documents' and status = 'dead'";
        sqlx::query_scalar::<_, String>(query).fetch_optional(&mut app.sql().await).await.unwrap()
    })
    .await;
    assert_eq!(files(&folder).len(), 4);
    // Where it is known, the papers go.
    app.variables.insert("DOCUMENT_STORE", store);
    app.restart().await;
    let dead = "update job set status = 'waiting', ended_at = null, due_at = now(), attempts = 0 where status = 'dead'";
    sqlx::query(dead).execute(&mut app.sql().await).await.unwrap();
    until("nothing is left", || async { files(&folder).is_empty().then_some(()) }).await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn where_there_is_no_document_store_nobody_looks_for_papers_in_one() {
    let app = TestApp::new().await;
    let (acme, badge) = acme(&app).await;
    let customer = accepted(&acme, badge, 1).await;
    acme.live.delete(&format!("/tenant/customer/forget/{customer}")).await.expect(200);
    let jobs: i64 = sqlx::query_scalar("select count(*) from job where kind = 'remove_documents'")
        .fetch_one(&mut app.sql().await)
        .await
        .unwrap();
    assert_eq!(jobs, 0);
}
