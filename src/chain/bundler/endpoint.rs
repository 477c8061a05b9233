//! JSON-RPC to a party that is not ours: time and length of an answer are limited, its words are cut, and its URL, which
//! may hold a key, is never told.

use std::fmt;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::foundation::is_loopback;

/// Bytes of an answer at most: a receipt with the logs of a batch of 400 transfers has some 300 KB.
const LONGEST: usize = 1 << 20;

/// Characters of a refusal that are kept.
const WORDS: usize = 400;

/// The code of a refusal that names none (JSON-RPC 2.0 §5.1, internal error).
const INTERNAL_ERROR: i64 = -32603;

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The bundler.
    Bundler,
    /// The paymaster's service.
    Paymaster,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundler => "bundler",
            Self::Paymaster => "paymaster",
        })
    }
}

/// Why a call to a bundler or a paymaster gave no result.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No answer that can be used. Whether the request took effect is unknown.
    #[error("the {party} does not answer: {what}")]
    Unavailable {
        /// Who.
        party: Party,
        /// What came instead of an answer.
        what: String,
    },
    /// It understood and said no.
    #[error("the {party} says {code}: {message}")]
    Refused {
        /// Who.
        party: Party,
        /// The JSON-RPC code.
        code: i64,
        /// Its own words, cut.
        message: String,
    },
    /// It answered with something that no honest party would.
    #[error("the {party} {what}")]
    Absurd {
        /// Who.
        party: Party,
        /// What it did.
        what: String,
    },
}

impl EndpointError {
    /// Who gave no result.
    pub const fn party(&self) -> Party {
        match self {
            Self::Unavailable { party, .. } | Self::Refused { party, .. } | Self::Absurd { party, .. } => *party,
        }
    }
}

/// A JSON-RPC endpoint.
pub struct Endpoint {
    party: Party,
    /// `None` when the system has no TLS.
    client: Option<Client>,
    url: SecretString,
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: Value,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<i64>,
    #[serde(default)]
    message: String,
}

/// Characters of a word in a URL at least that may be a key: shorter ones are in many a sentence.
const SHORTEST_KEY: usize = 5;

/// What a party says without what may be secret in its URL (user, password, long parts of the path, values of the
/// query), should it quote it.
fn without_secrets(message: &str, url: &SecretString) -> String {
    let Ok(url) = Url::parse(url.expose_secret().trim()) else { return message.to_owned() };
    let path = url.path_segments().into_iter().flatten().filter(|part| part.len() > 8).map(str::to_owned);
    let raw_values = url.query().into_iter().flat_map(|query| query.split('&'));
    let raw_values = raw_values.filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned());
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let user = [url.username(), url.password().unwrap_or_default()].map(str::to_owned);
    let secrets = path.chain(raw_values).chain(values).chain(user).filter(|secret| secret.len() >= SHORTEST_KEY);
    secrets.fold(message.to_owned(), |message, secret| message.replace(&secret, "***"))
}

/// `HTTP_PROXY` is not for a party on this machine.
fn is_local(url: &SecretString) -> bool {
    Url::parse(url.expose_secret()).is_ok_and(|url| is_loopback(&url))
}

impl Endpoint {
    /// An endpoint that may take `time_limit` over one call; nothing is asked yet.
    pub fn new(party: Party, url: SecretString, time_limit: Duration) -> Self {
        let builder = Client::builder().timeout(time_limit).redirect(reqwest::redirect::Policy::none());
        let builder = if is_local(&url) { builder.no_proxy() } else { builder };
        Self { party, client: builder.build().ok(), url }
    }

    /// Calls a method once.
    pub async fn call<R: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<R, EndpointError> {
        let answer = self.ask(method, params).await;
        if answer.is_err() {
            let party = self.party.to_string();
            metrics::counter!("diolkos_bundler_errors_total", "party" => party, "method" => method).increment(1);
        }
        serde_json::from_value(answer?).map_err(|_| self.unavailable("malformed answer"))
    }

    async fn ask(&self, method: &'static str, params: Value) -> Result<Value, EndpointError> {
        let request = json!(Request { jsonrpc: "2.0", id: 1, method, params }).to_string();
        let client = self.client.as_ref().ok_or_else(|| self.unavailable("this system has no TLS"))?;
        let sent = client.post(self.url.expose_secret()).header(CONTENT_TYPE, "application/json").body(request).send();
        let mut response = sent.await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > LONGEST {
                return Err(self.unavailable("the answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        // Some tell their refusals with a status of 400 or 500.
        let answer = serde_json::from_slice::<Answer>(&body);
        match answer {
            Ok(Answer { error: Some(Refusal { code, message }), .. }) => Err(EndpointError::Refused {
                party: self.party,
                code: code.unwrap_or(INTERNAL_ERROR),
                message: without_secrets(&message, &self.url).chars().filter(|c| !c.is_control()).take(WORDS).collect(),
            }),
            Ok(Answer { result, .. }) if status.is_success() => Ok(result.unwrap_or_default()),
            _ if !status.is_success() => Err(self.unavailable(&format!("HTTP status {}", status.as_u16()))),
            _ => Err(self.unavailable("malformed answer")),
        }
    }

    /// What the party did that no honest one does.
    pub fn absurd(&self, what: impl Into<String>) -> EndpointError {
        EndpointError::Absurd { party: self.party, what: what.into() }
    }

    fn unavailable(&self, what: &str) -> EndpointError {
        EndpointError::Unavailable { party: self.party, what: what.to_owned() }
    }

    /// Only the kind of failure is told: the error itself may quote the URL.
    fn broken(&self, error: &reqwest::Error) -> EndpointError {
        self.unavailable(if error.is_timeout() { "time limit" } else { "connection failed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_that_quotes_its_url_gives_no_key_away() {
        let url =
            "https://alice:opensesame@bundler.example/v2/0123456789abcdef/rpc?apikey=k-98765&v=2".to_owned().into();
        let said = "POST /v2/0123456789abcdef/rpc?apikey=k-98765 by alice:opensesame: 2 requests too many";
        assert_eq!(without_secrets(said, &url), "POST /v2/***/rpc?apikey=*** by ***:***: 2 requests too many");
        assert_eq!(without_secrets("AA21 didn't pay prefund", &url), "AA21 didn't pay prefund");
    }
}
