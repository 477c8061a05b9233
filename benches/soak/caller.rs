//! A caller that does not give up: asks any of the APIs until it has an answer that tells what became of its wish.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use rand::Rng;
use rand::rngs::StdRng;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::time::Instant;

use super::book::Book;

/// How long a wish may remain unanswered. No fault lasts so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one request may.
const ANSWER_TIME: Duration = Duration::from_secs(12);

/// How a caller proves who it is.
#[derive(Clone)]
pub enum Credentials {
    Key(String),
    Bearer(String),
}

/// An answer: status and body.
pub type Answer = (u16, Value);

/// Somebody who calls.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    /// `http://host:port` of each API.
    bases: Rc<Vec<String>>,
    book: Rc<Book>,
}

impl Caller {
    /// Calls these.
    pub fn new(bases: Rc<Vec<String>>, book: Rc<Book>) -> anyhow::Result<Self> {
        Ok(Self { client: Client::builder().no_proxy().timeout(ANSWER_TIME).build()?, bases, book })
    }

    /// Asks until there is an answer that says what became of it: neither an error of the server, nor silence, nor that
    /// the first request is still running. `once` is its `Idempotency-Key`.
    pub async fn ask(
        &self,
        rng: &mut StdRng,
        credentials: &Credentials,
        (method, path): (Method, &str),
        body: Option<&Value>,
        once: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let started = Instant::now();
        let mut last = String::new();
        while started.elapsed() < PATIENCE {
            let base = &self.bases[rng.random_range(0..self.bases.len())];
            let mut request = self.client.request(method.clone(), format!("{base}{path}"));
            request = match credentials {
                Credentials::Key(key) => request.header("x-api-key", key),
                Credentials::Bearer(token) => request.bearer_auth(token),
            };
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Some(once) = once {
                request = request.header("idempotency-key", once);
            }
            match definite(request).await {
                Ok(answer) => return Ok(answer),
                Err(why) => last = why.to_string(),
            }
            self.book.count("asked again");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("{method} {path} has no definite answer after {PATIENCE:?}: {last}")
    }
}

async fn definite(request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    let body: Value = serde_json::from_str(&text).with_context(|| format!("{status} {text}"))?;
    if status >= 500 || status == 429 || body["error"] == "idempotency_in_progress" {
        bail!("{status} {text}");
    }
    Ok((status, body))
}
