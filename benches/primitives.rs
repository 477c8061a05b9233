//! What every payment costs the processor: addresses of wallets, hashes of user operations, reading a request.
//!
//!   cargo bench --bench primitives

use std::hint::black_box;

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::Request;
use criterion::{Criterion, criterion_group, criterion_main};
use diolkos::chain::contracts::IBatchAccount::executeBatchCall;
use diolkos::chain::contracts::{Call, IERC20};
use diolkos::chain::entry_point::{self, ENTRY_POINT};
use diolkos::chain::wallet::WalletFactory;
use diolkos::foundation::{Amount, MasterKey, Phone};
use diolkos::http::Posted;
use diolkos::http::idempotency::AnswerSeal;
use serde::Deserialize;
use uuid::Uuid;
use validator::Validate;

fn address_derivation(criterion: &mut Criterion) {
    let factory = WalletFactory::new(Address::repeat_byte(1));
    let mut salt = [0_u8; 32];
    criterion.bench_function("address of a wallet", |bencher| {
        bencher.iter(|| {
            salt[31] = salt[31].wrapping_add(1);
            factory.address(black_box(salt))
        });
    });
}

/// A batch of the treasury.
fn payments(count: usize) -> Bytes {
    let transfer = IERC20::transferCall { to: Address::repeat_byte(2), value: U256::from(1_000_000) };
    let call = Call { target: Address::repeat_byte(3), value: U256::ZERO, data: transfer.abi_encode().into() };
    executeBatchCall { calls: vec![call; count] }.abi_encode().into()
}

fn user_operation_hashing(criterion: &mut Criterion) {
    for count in [1, 100, 1_000] {
        let key = entry_point::nonce_key(Uuid::from_u128(7));
        let account = Address::repeat_byte(4);
        let op = entry_point::unsigned(account, key, Bytes::new(), payments(count), 150_000, 12_000_000);
        criterion.bench_function(&format!("hash of a user operation of {count} payments"), |bencher| {
            bencher.iter(|| entry_point::hash(black_box(&op), ENTRY_POINT, 137));
        });
    }
}

/// The fields of `POST /v1/users/fund`.
#[derive(Deserialize, Validate)]
struct Fund {
    phone_number: String,
    deposit_id: String,
    local_fiat_amount: String,
    stablecoin_amount: String,
    target_token: String,
}

const BODY: &str = r#"{"phone_number":"+2250700000001","deposit_id":"dep_001_20240601","local_fiat_amount":"11000.00",
    "stablecoin_amount":"19.62","target_token":"USDC"}"#;

fn request_parsing(criterion: &mut Criterion) {
    let seal = AnswerSeal::new(&MasterKey::new([7; 32]));
    criterion.bench_function("a request read and its fields parsed", |bencher| {
        bencher.iter(|| {
            let request = Request::post("/v1/users/fund").header("content-type", "application/json");
            let Ok(request) = request.body(Body::from(BODY)) else { return None };
            let posted: Posted<Fund> =
                futures::executor::block_on(Posted::from_request(request, black_box(&seal))).ok()?;
            let Fund { phone_number, deposit_id, local_fiat_amount, stablecoin_amount, target_token } = posted.body;
            let parsed = (Phone::parse(&phone_number).ok()?, Amount::parse_decimal(&stablecoin_amount, 6).ok()?);
            Some((parsed, deposit_id, local_fiat_amount, target_token))
        });
    });
}

criterion_group!(primitives, address_derivation, user_operation_hashing, request_parsing);
criterion_main!(primitives);
