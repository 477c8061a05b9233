//! Who calls the server, and what it answers.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// A caller with some credentials.
#[derive(Clone)]
pub struct Actor {
    base_url: String,
    headers: HeaderMap,
    client: reqwest::Client,
}

/// What the server answered.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The body as JSON; null when it is none.
    pub json: Value,
}

/// `404 {"error":…}`: for snapshots.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text)
    }
}

/// What differs from run to run, and what a snapshot shows instead.
static REDACTED: LazyLock<[(Regex, &str); 9]> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[uuid]"),
        (r"sk_(live|test)_[0-9a-f]{64}", "sk_${1}_[secret]"),
        (r"sk_(live|test)_[0-9a-f]{8}", "sk_${1}_[prefix]"),
        (r"_[0-9a-f]{32}\b", "_[id]"),
        (r"0x[0-9a-f]{64}", "[hash]"),
        (r"0x[0-9a-fA-F]{40}", "[address]"),
        (r"\b[0-9a-f]{64}\b", "[digest]"),
        (r#""next_cursor":"[^"]+""#, r#""next_cursor":"[cursor]""#),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    ]
    .map(|(pattern, shown)| (Regex::new(pattern).unwrap(), shown))
});

impl Answer {
    /// The answer as a snapshot likes it: without what differs from run to run.
    pub fn redacted(&self) -> String {
        let redact = |text: String, (pattern, shown): &(Regex, &str)| pattern.replace_all(&text, *shown).into_owned();
        REDACTED.iter().fold(self.to_string(), redact)
    }

    /// A header's value, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body's `error` code.
    pub fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }

    /// The wallet API's error in it, in whichever envelope.
    pub fn entry(&self) -> &Value {
        let listed = [&self.json["errors"][0], &self.json["errors"], &self.json[0]["type"][0]];
        listed.into_iter().find(|error| error.is_object()).unwrap_or(&self.json)
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }
}

impl Actor {
    /// A caller that sends these headers.
    pub fn new(base_url: &str, headers: &[(&str, &str)]) -> Self {
        let mut actor =
            Self { base_url: base_url.to_owned(), headers: HeaderMap::new(), client: reqwest::Client::new() };
        for (name, value) in headers {
            actor = actor.with(name, value);
        }
        actor
    }

    /// A caller with a bearer token.
    pub fn bearer(base_url: &str, token: &str) -> Self {
        Self::new(base_url, &[("authorization", &format!("Bearer {token}"))])
    }

    /// The same with one more header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut actor = self.clone();
        actor.headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        actor
    }

    /// The same at another server.
    pub fn at(&self, base_url: &str) -> Self {
        Self { base_url: base_url.to_owned(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_bytes(path, "application/json", body.to_string().into_bytes()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// A POST of any bytes.
    pub async fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.send(Method::POST, path, Some((content_type, body))).await
    }

    /// Any request; fails when the connection does.
    pub async fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        self.try_send(method, path, body).await.unwrap()
    }

    /// Any request.
    pub async fn try_send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> reqwest::Result<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.base_url)).headers(self.headers.clone());
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, text, json })
    }
}
