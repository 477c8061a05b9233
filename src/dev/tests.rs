//! The services on this machine, whoever runs the tests. They need what `script/setup` installs.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::PathBuf;

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use sqlx::{Connection, PgConnection};

use super::anvil::{Anvil, AnvilOptions};
use super::postgres::{Postgres, PostgresOptions};
use super::{contracts, rpc};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("diolkos-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn a_cluster_keeps_its_data_from_one_start_to_the_next() {
    let dir = folder("postgres");
    let options = PostgresOptions { durable: false, ..Default::default() };
    let postgres = Postgres::start_with(&dir, options).await.unwrap();
    let mut owner = PgConnection::connect(&postgres.owner_url("diolkos")).await.unwrap();
    sqlx::query("create table kept (n int)").execute(&mut owner).await.unwrap();
    sqlx::query("create role diolkos_server login").execute(&mut owner).await.unwrap();
    let second = Postgres::start_with(&dir, options).await.unwrap_err();
    assert!(second.to_string().contains("in use"), "{second}");
    postgres.stop().await.unwrap();

    let postgres = Postgres::start_with(&dir, options).await.unwrap();
    let mut owner = PgConnection::connect(&postgres.owner_url("diolkos")).await.unwrap();
    sqlx::query("insert into kept values (1)").execute(&mut owner).await.unwrap();
    PgConnection::connect(&postgres.server_url("diolkos")).await.unwrap();
    postgres.stop().await.unwrap();
    Postgres::remove(&dir).await.unwrap();
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_chain_keeps_its_contracts_and_money_from_one_start_to_the_next() {
    let dir = folder("anvil");
    let options = AnvilOptions { state: Some(dir.join("state.json")), block_time: 0.2, ..Default::default() };
    let anvil = Anvil::start(options.clone()).await.unwrap();
    let deployed = contracts::deploy(&anvil.url()).await.unwrap();
    let jane = Address::repeat_byte(0x7a);
    let mints = (0..20).map(|_| {
        let url = anvil.url();
        tokio::spawn(async move { contracts::mint(&url, contracts::USDC, jane, U256::from(5)).await })
    });
    for mint in mints.collect::<Vec<_>>() {
        mint.await.unwrap().unwrap();
    }
    contracts::blacklist(&anvil.url(), deployed.usdt, jane).await.unwrap();
    contracts::mint(&anvil.url(), deployed.usdt, jane, U256::from(5)).await.unwrap_err();
    contracts::allow_escrow_operator(&anvil.url(), deployed.preauth_escrow, jane).await.unwrap();
    let port = anvil.port();
    anvil.stop().await.unwrap();

    let anvil = Anvil::start(AnvilOptions { port, ..options }).await.unwrap();
    assert_eq!(contracts::deploy(&anvil.url()).await.unwrap(), deployed);
    let provider = rpc::local(&anvil.url()).unwrap();
    let transfers = alloy::rpc::types::Filter::new().address(contracts::USDC).from_block(0);
    assert_eq!(provider.get_logs(&transfers.event("Transfer(address,address,uint256)")).await.unwrap().len(), 20);
    anvil.stop().await.unwrap();
    Anvil::remove(&dir.join("state.json")).await.unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}
