//! What wallets' own library signs: viem, in JavaScript.

use std::process::Command;

use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;

use super::{challenge, knows, token};
use crate::harness::alto;
use crate::harness::app::TestApp;

/// Signs a challenge's message in both ways that `docs/SIGN_IN.md` tells.
const PROGRAM: &str = r#"
    const { privateKeyToAccount } = require("viem/accounts");
    const [key, chainId, text] = process.argv.slice(1);
    const message = JSON.parse(text);
    const account = privateKeyToAccount(key);
    const string = (name) => ({ name, type: "string" });
    const Challenge = [string("domain"), string("action"), { name: "address", type: "address" }, string("nonce"), string("expires")];
    (async () => {
      const domain = { name: message.domain, version: "1", chainId: Number(chainId) };
      const typed = await account.signTypedData({ domain, types: { Challenge }, primaryType: "Challenge", message });
      const plain = await account.signMessage({ message: JSON.stringify(message) });
      console.log(JSON.stringify({ typed, plain }));
    })();
"#;

#[tokio::test]
async fn viems_signatures_sign_in() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = PrivateKeySigner::random();
    knows(&app, &acme, 1, jane.address()).await;
    for way in ["typed", "plain"] {
        let asked = app.nobody().get(&format!("/auth/challenge?address={}", jane.address())).await.expect(200);
        // The text as the server wrote it: JavaScript keeps the order of its keys.
        let (_, rest) = asked.text.split_once("\"message\":").unwrap();
        let message = &rest[..=rest.find('}').unwrap()];
        let folder = alto::folder().unwrap();
        let mut node = Command::new(alto::node(&folder).unwrap());
        let key = format!("0x{}", hex::encode(jane.to_bytes()));
        let said = node.current_dir(&folder).args(["-e", PROGRAM, &key, "137", message]).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let signatures: Value = serde_json::from_slice(&said.stdout).unwrap();
        let signature = hex::decode(&signatures[way].as_str().unwrap()[2..]).unwrap();
        token(&app, jane.address(), &asked.json, &signature).await.expect(200);
    }
    challenge(&app, jane.address()).await;
}
