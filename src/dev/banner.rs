//! What a development server prints for people.

use super::credentials::Credentials;

/// One line about what is going on.
pub fn progress(what: &str) {
    eprintln!("==> {what}");
}

/// What a newcomer needs once the server listens.
pub fn server(credentials: &Credentials) {
    let url = &credentials.base_url;
    let key = credentials.tenants.first().map_or("", |tenant| tenant.live_key.as_str());
    println!(
        r#"
Diolkos serves {url}
  docs         {url}/docs
  credentials  .dev/credentials.json
  stop         Ctrl-C

export KEY={key}
curl -s {url}/v1/users/provision -H "X-API-Key: $KEY" -H 'content-type: application/json' -d '{{"phone_number":"+2250700000001"}}'
curl -s {url}/v1/users/fund -H "X-API-Key: $KEY" -H 'content-type: application/json' -d '{{"phone_number":"+2250700000001","deposit_id":"dep_1","local_fiat_amount":"11000.00","stablecoin_amount":"19.62","target_token":"USDC"}}'
curl -s "{url}/v1/users/balance?phone_number=%2B2250700000001" -H "X-API-Key: $KEY"
"#
    );
}

/// How to run the server against the services.
pub fn services(credentials: &Credentials) {
    println!(
        r#"
Postgres, chain and contracts are up, the tenants are seeded.
  chain        {}
  credentials  .dev/credentials.json
  stop         Ctrl-C

set -a; . .dev/env; set +a; PORT=8080 diolkos serve
"#,
        credentials.rpc_url
    );
}
