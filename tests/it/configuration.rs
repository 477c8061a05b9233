//! `.env.example` and the README say of the configuration what the code does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use diolkos::app::Server;
use diolkos::config::{Config, Environment};
use diolkos::foundation::Clock;
use diolkos::providers::payout::{Networks, Payer};
use regex::Regex;

use crate::harness::app::{TestApp, Variables};

/// A file of the project.
fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A variable of `.env.example`: its default, and whether a file may hold it.
struct Documented {
    default: String,
    is_secret: bool,
}

fn documented() -> BTreeMap<String, Documented> {
    let (mut variables, mut is_secret) = (BTreeMap::new(), false);
    for line in file(".env.example").lines() {
        match line.split_once('=') {
            Some((name, default)) if !line.starts_with('#') => {
                let default = default.to_owned();
                let known = variables.insert(name.to_owned(), Documented { default, is_secret });
                assert!(known.is_none(), "{name} is there twice");
                is_secret = false;
            }
            _ => is_secret = line.trim_end().ends_with(" secret"),
        }
    }
    variables
}

/// What a server can do without.
const OPTIONAL: [&str; 21] = [
    "BUNDLER_URL",
    "COMPLIANCE_TOKEN",
    "COMPLIANCE_URL",
    "CORS_ORIGINS",
    "DOCUMENT_STORE",
    "FX_URL",
    "GAS_FUNDING_KEY",
    "INDEXER_START_BLOCK",
    "MAIL_FROM",
    "MIGRATION_DATABASE_URL",
    "OPERATOR_PASSWORD_HASH",
    "PAYMASTER_URL",
    "PAYOUT_TOKEN",
    "PAYOUT_URL",
    "RPC_WS_URLS",
    "SMTP_URL",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_FROM",
    "VERIFICATION_TOKEN",
    "VERIFICATION_URL",
];

/// The names that a configuration asks for, and whether it could be read.
fn asked(variables: &Variables) -> (BTreeSet<String>, bool) {
    let names = Mutex::new(BTreeSet::new());
    let lookup = |name: &str| {
        names.lock().unwrap().insert(name.to_owned());
        variables.get(name).cloned()
    };
    let is_read = Config::read(&Environment::new(&lookup)).is_ok();
    (names.into_inner().unwrap(), is_read)
}

#[tokio::test]
async fn the_example_lists_exactly_the_variables_that_are_read() {
    let app = TestApp::new().await;
    let mut variables = app.variables.clone();
    variables.insert("GAS_FUNDING_KEY", variables["LANE_KEYS"].clone());
    let (mut read, _) = asked(&variables);
    // Read by `diolkos migrate` and by the log, before there is a configuration.
    read.extend(["MIGRATION_DATABASE_URL", "RUST_LOG", "LOG_FORMAT"].map(ToOwned::to_owned));
    assert_eq!(documented().into_keys().collect::<BTreeSet<_>>(), read);
}

#[tokio::test]
async fn the_examples_defaults_are_those_of_the_code() {
    let literals = Regex::new(r#""([A-Z][A-Z0-9_]+)", "([^"]*)""#).unwrap();
    let source = file("src/config.rs")
        + &file("src/config/bundler.rs")
        + &file("src/config/identity.rs")
        + &file("src/config/messages.rs")
        + &file("src/config/refill.rs");
    let in_code = literals.captures_iter(&source).map(|found| (found[1].to_owned(), found[2].to_owned()));
    let mut in_code: BTreeMap<String, String> = in_code.collect();
    let implementation = Regex::new(r#"SIMPLE_7702_ACCOUNT: Address = address!\("([^"]*)"\)"#).unwrap();
    in_code
        .insert("TREASURY_IMPLEMENTATION".to_owned(), format!("0x{}", &implementation.captures(&source).unwrap()[1]));
    in_code.insert("PAYOUT_NETWORKS".to_owned(), Networks::DEFAULT.to_owned());
    in_code.insert("RUST_LOG".to_owned(), "info".to_owned());
    in_code.insert("LOG_FORMAT".to_owned(), "json".to_owned());
    in_code.insert("ROLES".to_owned(), "api,worker,indexer".to_owned());
    let documented = documented().into_iter().map(|(name, documented)| (name, documented.default));
    let documented: BTreeMap<String, String> = documented.filter(|(_, default)| !default.is_empty()).collect();
    assert_eq!(documented, in_code);

    // An absent variable and its documented default are the same to the code.
    let app = TestApp::new().await;
    for (name, default) in &documented {
        let (mut with, mut without) = (app.variables.clone(), app.variables.clone());
        with.insert(name.clone().leak(), default.clone());
        without.remove(name.as_str());
        let read = |variables: &Variables| {
            let config = Config::read(&Environment::new(&|name| variables.get(name).cloned())).unwrap();
            (
                config.roles,
                config.listen,
                config.chain.treasury_implementation,
                config.chain.confirmations,
                config.jwt_issuer,
            )
        };
        assert_eq!(read(&with), read(&without), "{name}");
    }
}

#[tokio::test]
async fn what_has_no_default_must_be_set_and_a_secret_may_come_from_a_file() {
    let app = TestApp::new().await;
    for (name, Documented { default, is_secret }) in documented() {
        let mut variables = app.variables.clone();
        variables.remove(name.as_str());
        let (asked, is_read) = asked(&variables);
        let is_optional = !default.is_empty() || OPTIONAL.contains(&&*name);
        assert_eq!(is_read, is_optional, "without {name}");
        if name != "MIGRATION_DATABASE_URL" {
            assert_eq!(asked.contains(&format!("{name}_FILE")), is_secret, "{name} from a file");
        }
    }
}

#[tokio::test]
async fn a_wrong_value_is_refused_by_name_and_not_quoted_when_it_is_secret() {
    let app = TestApp::new().await;
    for (name, Documented { is_secret, .. }) in documented() {
        if matches!(&*name, "MIGRATION_DATABASE_URL" | "RUST_LOG" | "LOG_FORMAT" | "JWT_ISSUER" | "SIGN_IN_APP") {
            continue;
        }
        let mut variables = app.variables.clone();
        variables.insert(name.clone().leak(), "wr\u{f6}ng\n".to_owned());
        let config = Config::read(&Environment::new(&|name| variables.get(name).cloned()));
        let refused = match config {
            Ok(config) => Server::build(config, Clock::default()).await,
            Err(error) => Err(error),
        };
        let refused = refused.err().unwrap_or_else(|| panic!("{name} takes anything"));
        let told = format!("{refused:#}");
        assert!(told.contains(&name), "{name}: {told}");
        assert!(!is_secret || !told.contains("wr"), "{name}: {told}");
    }
}

#[test]
fn the_readmes_table_names_existing_variables_with_their_defaults() {
    let readme = file("README.md");
    let documented = documented();
    let quoted = Regex::new("`([^`]*)`").unwrap();
    let table = readme.split("| variable | default | meaning |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let texts = |cell: &str| quoted.captures_iter(cell).map(|found| found[1].to_owned()).collect::<Vec<_>>();
        let (names, defaults) = (texts(cells[1]), texts(cells[2]));
        for (index, name) in names.iter().enumerate() {
            let documented = documented.get(name).unwrap_or_else(|| panic!("README: there is no variable {name}"));
            assert_eq!(defaults.get(index).map_or("", String::as_str), documented.default, "README: {name}");
            count += 1;
        }
    }
    assert!(count >= 10, "the table was not found");
}

#[tokio::test]
async fn a_payout_provider_that_lacks_something_is_refused_in_one_line() {
    let app = TestApp::new().await;
    let read = |provider: &str, url: &str, token: &str, networks: &str| {
        let mut variables = app.variables.clone();
        variables.insert("PAYOUT_PROVIDER", provider.to_owned());
        variables.insert("PAYOUT_URL", url.to_owned());
        variables.insert("PAYOUT_TOKEN", token.to_owned());
        variables.insert("PAYOUT_NETWORKS", networks.to_owned());
        let config = Config::read(&Environment::new(&|name| variables.get(name).cloned()));
        config.map(|config| config.payout).map_err(|error| format!("{error:#}"))
    };
    let url = "https://api.pawapay.io";

    assert!(matches!(read("", "", "", "").unwrap().payer, Payer::Manual));
    assert!(matches!(read("simulator", "", "", "").unwrap().payer, Payer::Simulator));
    let Payer::PawaPay(account) = read("pawapay", url, "s3cret", "").unwrap().payer else { panic!("not pawapay") };
    assert_eq!(account.url.as_str(), "https://api.pawapay.io/");
    assert!(!format!("{account:?}").contains("s3cret"));
    assert!(read("pawapay", "http://127.0.0.1:1", "s3cret", "").is_ok());

    for (provider, url, token, networks, word) in [
        ("pawapay", "", "s3cret", "", "PAYOUT_URL"),
        ("pawapay", url, "", "", "PAYOUT_TOKEN"),
        ("pawapay", url, "s3 cret", "", "PAYOUT_TOKEN"),
        ("pawapay", "http://api.pawapay.io", "s3cret", "", "PAYOUT_URL"),
        ("pawapay", "https://s3cret@api.pawapay.io", "s3cret", "", "PAYOUT_URL"),
        ("pawapay", url, "s3cret", "wave:KE:KES", "PAYOUT_NETWORKS: PawaPay has no wave in KE"),
        ("PawaPay", url, "s3cret", "", "PAYOUT_PROVIDER"),
    ] {
        let refused = read(provider, url, token, networks).unwrap_err();
        assert!(refused.contains(word) && !refused.contains('\n') && !refused.contains("s3"), "{refused}");
    }

    // Whoever takes real tokens pays real money.
    let mut variables = app.variables.clone();
    variables.insert("PAYOUT_PROVIDER", "simulator".to_owned());
    variables.insert("RPC_URLS", format!("{},https://polygon.example", variables["RPC_URLS"]));
    let refused = Config::read(&Environment::new(&|name| variables.get(name).cloned())).map(drop).unwrap_err();
    assert!(refused.to_string().contains("PAYOUT_PROVIDER is simulator"), "{refused}");
}

#[tokio::test]
async fn an_outbox_is_for_this_machines_chain_only() {
    let app = TestApp::new().await;
    for name in ["SMS_PROVIDER", "MAIL_PROVIDER"] {
        let read = |more: &str| {
            let mut variables = app.variables.clone();
            variables.insert("SMS_PROVIDER", "none".to_owned());
            variables.insert("MAIL_PROVIDER", "none".to_owned());
            variables.insert(name, "outbox".to_owned());
            // Nor is anybody else of those that are for development configured.
            variables.insert("PAYOUT_PROVIDER", "manual".to_owned());
            variables.insert("COMPLIANCE_PROVIDER", "none".to_owned());
            variables.insert("VERIFICATION_PROVIDER", "none".to_owned());
            variables.insert("RPC_URLS", format!("{}{more}", variables["RPC_URLS"]));
            Config::read(&Environment::new(&|name| variables.get(name).cloned())).map(drop).map_err(|e| e.to_string())
        };
        assert_eq!(read(""), Ok(()));
        let refused = read(",https://polygon.example").unwrap_err();
        assert_eq!(refused, format!("{name} is outbox, and RPC_URLS is not this machine's"));
    }
}

#[tokio::test]
async fn every_networks_currency_has_a_rate() {
    let app = TestApp::with(|variables| drop(variables.remove("FX_RATES"))).await;
    let acme = app.tenant("acme").await;
    let networks: Networks = Networks::DEFAULT.parse().unwrap();
    for network in networks.iter() {
        let body = serde_json::json!({"local_currency": network.currency.code(), "fiat_amount": "10000"});
        acme.test.post("/v1/fx/quote", body).await.expect(200);
    }
}

#[tokio::test]
async fn cors_is_for_origins_as_browsers_write_them() {
    let app = TestApp::new().await;
    let reads = |origins: &str| {
        let mut variables = app.variables.clone();
        variables.insert("CORS_ORIGINS", origins.to_owned());
        Config::read(&Environment::new(&|name| variables.get(name).cloned()))
            .map(|config| config.cors_origins.len())
            .ok()
    };
    assert_eq!(reads(""), Some(0));
    assert_eq!(reads("https://wallet.example, http://localhost:3000"), Some(2));
    for wrong in ["*", "null", "wallet.example", "https://wallet.example/", "https://Wallet.example", "ftp://x"] {
        assert_eq!(reads(wrong), None, "{wrong}");
    }
}
