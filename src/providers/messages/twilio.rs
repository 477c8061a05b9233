//! Text messages through Twilio (`POST /2010-04-01/Accounts/{AccountSid}/Messages.json`).

use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use recloser::AsyncRecloser;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{NotSent, Sms, SmsCarrier, breaker};

/// Bytes of an answer that are read at most.
const LONGEST: usize = 16 << 10;

/// An account at Twilio.
#[derive(Clone)]
pub struct TwilioSettings {
    /// The API without its path.
    pub url: Url,
    /// The account's SID.
    pub account: String,
    /// Its token.
    pub token: SecretString,
    /// A number in E.164 form, or a messaging service (`MG…`).
    pub from: String,
    /// How long one request may take.
    pub time_limit: Duration,
}

/// Text messages through Twilio.
pub struct Twilio {
    client: reqwest::Client,
    settings: TwilioSettings,
    breaker: AsyncRecloser,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<i64>,
}

impl Twilio {
    /// Asks nothing yet.
    pub fn new(settings: TwilioSettings) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(settings.time_limit)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("diolkos/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, settings, breaker: breaker() })
    }

    /// One request. Its errors are told without its body, which holds the message.
    async fn post(&self, form: &str) -> Result<(), Attempted> {
        let path = format!("2010-04-01/Accounts/{}/Messages.json", self.settings.account);
        let url = self.settings.url.join(&path).map_err(|_| Attempted::Refused("no such URL".to_owned()))?;
        let request = self
            .client
            .post(url)
            .basic_auth(&self.settings.account, Some(self.settings.token.expose_secret()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Err(Attempted::NotHeard),
            Err(_) => return Err(Attempted::NoAnswer),
        };
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS => Err(Attempted::NotHeard),
            status if status.is_server_error() => Err(Attempted::NoAnswer),
            status => {
                let mut body = Vec::new();
                while let Ok(Some(chunk)) = answer.chunk().await {
                    body.extend_from_slice(&chunk);
                    if body.len() > LONGEST {
                        break;
                    }
                }
                let code = serde_json::from_slice::<Refusal>(&body).ok().and_then(|refusal| refusal.code);
                let code = code.map_or_else(String::new, |code| format!(" code {code}"));
                Err(Attempted::Refused(format!("status {}{code}", status.as_u16())))
            }
        }
    }
}

/// What became of one request.
#[derive(Debug)]
enum Attempted {
    /// It was not looked at: it may be sent again.
    NotHeard,
    /// It may have been done.
    NoAnswer,
    /// It was not done.
    Refused(String),
}

#[async_trait]
impl SmsCarrier for Twilio {
    async fn send(&self, message: &Sms) -> Result<(), NotSent> {
        let sender = if self.settings.from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("To", message.to.e164())
            .append_pair(sender, &self.settings.from)
            .append_pair("Body", &message.text)
            .finish();
        let policy =
            ExponentialBuilder::default().with_min_delay(Duration::from_millis(100)).with_max_times(2).with_jitter();
        // A message that may have gone is not sent again: two codes at once would confuse.
        let sent = (|| self.post(&form)).retry(policy).when(|attempted| matches!(attempted, Attempted::NotHeard));
        let is_theirs = |attempted: &Attempted| !matches!(attempted, Attempted::Refused(_));
        match self.breaker.call_with(is_theirs, sent.into_future()).await {
            Ok(()) => Ok(()),
            Err(recloser::Error::Rejected) => Err(NotSent::Resting),
            Err(recloser::Error::Inner(Attempted::Refused(why))) => Err(NotSent::Refused(why)),
            Err(recloser::Error::Inner(Attempted::NotHeard)) => Err(NotSent::NoAnswer("not heard".to_owned())),
            Err(recloser::Error::Inner(Attempted::NoAnswer)) => Err(NotSent::NoAnswer("no answer".to_owned())),
        }
    }
}
