//! A bundler carries payments: handed over, refused, lost, forgotten; nothing lost, nothing twice.

use crate::harness::engine::{Path, TestEngine, stranger};

#[tokio::test]
async fn a_treasury_payment_goes_through_alto() {
    let engine = TestEngine::start_by(Path::Sponsored).await;
    let jane = stranger();
    let operations = engine.pay(&[(jane, 5_000_000)]).await;
    assert_eq!(engine.ended(&operations).await, ["succeeded"]);
    assert_eq!(engine.transfers_to(jane).await, [5_000_000]);
}
