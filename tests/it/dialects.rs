//! Paths, methods and bodies that lead nowhere, in the words of the surface that they belong to.

use insta::assert_snapshot;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Executor};

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::document::operations;
use crate::harness::tenant::{fund_body, phone};
use crate::harness::{until, wire};

#[tokio::test]
async fn an_unknown_path_is_told_in_the_dialect_of_its_surface() {
    let app = TestApp::new().await;
    let mut told = String::new();
    for path in [
        "/",
        "/v1",
        "/v1/users/unknown",
        "/v1/users/fund/",
        "//v1/users/fund",
        "/V1/users/fund",
        "/admin/unknown",
        "/auth/unknown",
        "/preauth/unknown",
        "/tenant/unknown",
        "/transaction/unknown",
        "/transactions/unknown",
        "/cards/unknown",
        "/ach/unknown",
        "/consent/unknown",
        "/digital-wallet/unknown",
        "/onchain-preauth/unknown",
        "/v2/users/unknown",
        "/%00",
        "/%ff",
        "/v1/dashboard/deposits/%00",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = app.nobody().send(method.clone(), path, None).await;
            assert_eq!(answer.header("content-type"), "application/json", "{path}");
            assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
            if method == Method::GET {
                told += &format!("{path} {answer}\n");
            }
        }
    }
    assert_snapshot!(told, @r#"
    / 404 {"error":"not_found","message":"there is nothing at this path"}
    /v1 404 {"error":"not_found","message":"there is nothing at this path"}
    /v1/users/unknown 404 {"error":"not_found","message":"there is nothing at this path"}
    /v1/users/fund/ 404 {"error":"not_found","message":"there is nothing at this path"}
    //v1/users/fund 404 {"error":"not_found","message":"there is nothing at this path"}
    /V1/users/fund 404 {"error":"not_found","message":"there is nothing at this path"}
    /admin/unknown 404 {"error":"not_found","message":"there is nothing at this path"}
    /auth/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /preauth/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /tenant/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /transaction/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /transactions/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /cards/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /ach/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /consent/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /digital-wallet/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /onchain-preauth/unknown 404 {"errors":[{"message":"there is nothing at this path","type":"No data found"}]}
    /v2/users/unknown 404 {"code":"RESOURCE_NOT_FOUND","error":"Not Found","errorDetails":"there is nothing at this path"}
    /%00 404 {"error":"not_found","message":"there is nothing at this path"}
    /%ff 404 {"error":"not_found","message":"there is nothing at this path"}
    /v1/dashboard/deposits/%00 401 {"error":"missing_token","message":"send the token as Authorization: Bearer"}
    "#);
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_which_are_right() {
    let app = TestApp::new().await;
    for operation in operations() {
        let path = operation.any_path();
        let siblings = operations().into_iter().filter(|sibling| sibling.path == operation.path);
        let known: Vec<String> = siblings.map(|sibling| sibling.method).collect();
        for method in ["PUT", "PATCH", "DELETE", "POST", "GET", "TRACE", "INVENTED"] {
            if known.iter().any(|known| known == method) {
                continue;
            }
            let answer = app.nobody().send(method.parse().unwrap(), &path, None).await;
            let message = [&answer.json["message"], &answer.json["errors"][0]["message"]];
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(
                message.iter().any(|said| *said == "this path does not know this method"),
                "{method} {path}: {answer}"
            );
            for allowed in &known {
                assert!(answer.header("allow").split(',').any(|name| name == allowed), "{method} {path}");
            }
        }
    }
    assert_snapshot!(app.nobody().delete("/v1/users/fund").await, @r#"405 {"error":"method_not_allowed","message":"this path does not know this method"}"#);
}

#[tokio::test]
async fn a_request_keeps_its_plain_id_and_gets_one_otherwise() {
    let app = TestApp::new().await;
    for (sent, is_kept) in [("order-7", true), ("a b", false), ("<script>", false), (&*"x".repeat(129), false)] {
        let answer = app.nobody().with("x-request-id", sent).get("/v1/users/balance").await;
        assert_eq!(answer.header("x-request-id") == sent, is_kept, "{sent}");
    }
    let two = [app.nobody().get("/version").await, app.nobody().get("/version").await];
    assert_ne!(two[0].header("x-request-id"), two[1].header("x-request-id"));
}

#[tokio::test]
async fn what_is_not_http_gets_no_answer_that_could_hurt() {
    let app = TestApp::new().await;
    for (bytes, starts) in [
        (&b"nonsense\r\n\r\n"[..], "HTTP/1.1 400 "),
        (b"GET /version HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", "HTTP/1.1 400 "),
        (b"\x16\x03\x01\x02\x00\x01\x00", "HTTP/1.1 400 "),
        (b"POST /admin/tenants HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\ncontent-length: 1\r\n\r\nx", "HTTP/1.1 400 "),
        (b"GET /version HTTP/1.0\r\n\r\n", "HTTP/1.0 200 "),
    ] {
        let answer = wire::send(&app.base_url, bytes).await;
        assert!(answer.starts_with(starts), "{:?}: {answer}", String::from_utf8_lossy(bytes));
    }
    let many: String = (0..200).map(|index| format!("x-{index}: y\r\n")).collect();
    let answer = wire::send(&app.base_url, format!("GET /version HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    app.nobody().get("/version").await.expect(200);
}

#[tokio::test]
async fn a_database_that_gives_up_on_a_request_is_a_503_and_nothing_has_happened() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "10").await;
    acme.customer(&phone(1)).await;
    let mut blocker = app.sql().await;
    let mut lock = blocker.begin().await.unwrap();
    lock.execute("lock table deposit in access exclusive mode").await.unwrap();

    let fund: Actor = acme.live.clone();
    let asked = tokio::spawn(async move { fund.post("/v1/users/fund", fund_body(&phone(1), "dep-1", "5")).await });
    until("the request waits, and is cancelled", || async {
        let cancel = "select pg_cancel_backend(pid) from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database() and query ilike '%insert into deposit%'";
        sqlx::query_scalar::<_, bool>(cancel).fetch_optional(&mut app.sql().await).await.unwrap()
    })
    .await;

    let answer = asked.await.unwrap();
    assert_snapshot!(answer, @r#"503 {"error":"unavailable","message":"the service cannot answer at the moment; try again"}"#);
    assert_eq!(answer.header("retry-after"), "1");
    lock.rollback().await.unwrap();
    assert_eq!(acme.balance().await, ("10.000000".to_owned(), "0.000000".to_owned()));
    acme.live.post("/v1/users/fund", fund_body(&phone(1), "dep-1", "5")).await.expect(202);
    let answer = acme.live.post("/v1/users/fund", json!({})).await;
    assert_eq!(answer.status, 400);
}
