//! Who sends messages.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use secrecy::ExposeSecret;
use url::Url;

use super::Environment;
use crate::foundation::is_loopback;
use crate::providers::messages::{MailSettings, MessageSettings, SmsSettings, SmtpSettings, TwilioSettings};

/// `SMS_PROVIDER`'s and `MAIL_PROVIDER`'s words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    None,
    Outbox,
    Twilio,
    Smtp,
}

/// The text names no carrier.
#[derive(Debug, thiserror::Error)]
#[error("it must be none, outbox, or twilio for SMS and smtp for mail")]
struct InvalidCarrier;

impl FromStr for Carrier {
    type Err = InvalidCarrier;

    fn from_str(text: &str) -> Result<Self, InvalidCarrier> {
        match text {
            "none" => Ok(Self::None),
            "outbox" => Ok(Self::Outbox),
            "twilio" => Ok(Self::Twilio),
            "smtp" => Ok(Self::Smtp),
            _ => Err(InvalidCarrier),
        }
    }
}

/// The carriers of SMS and e-mail.
pub(super) fn messages(env: &Environment<'_>, chain: &[Url]) -> Result<MessageSettings> {
    let time_limit = Duration::from_millis(env.parsed("MESSAGE_TIMEOUT_MS", "5000")?);
    ensure!(!time_limit.is_zero(), "MESSAGE_TIMEOUT_MS is 0");
    let url: Url = env.parsed("TWILIO_URL", "https://api.twilio.com")?;
    // The account's token travels with every request.
    ensure!(url.scheme() == "https" || is_loopback(&url), "TWILIO_URL is not an https:// URL");
    let (account, from) = (env.text("TWILIO_ACCOUNT_SID"), env.text("TWILIO_FROM"));
    let token = env.optional_secret("TWILIO_AUTH_TOKEN")?;
    let sms: Carrier = env.parsed("SMS_PROVIDER", "none")?;
    let sms = match outside(sms, "SMS_PROVIDER", chain)? {
        Carrier::None => SmsSettings::None,
        Carrier::Outbox => SmsSettings::Outbox,
        Carrier::Twilio => {
            let account = account.context("SMS_PROVIDER is twilio, and TWILIO_ACCOUNT_SID is not set")?;
            ensure!(account.bytes().all(|byte| byte.is_ascii_alphanumeric()), "TWILIO_ACCOUNT_SID is not a SID");
            let token = token.context("SMS_PROVIDER is twilio, and TWILIO_AUTH_TOKEN is not set")?;
            let from = from.context("SMS_PROVIDER is twilio, and TWILIO_FROM is not set")?;
            SmsSettings::Twilio(TwilioSettings { url, account, token, from, time_limit })
        }
        Carrier::Smtp => bail!("SMS_PROVIDER is smtp, which carries mail"),
    };
    let (server, from) = (env.optional_secret("SMTP_URL")?, env.text("MAIL_FROM"));
    let mail: Carrier = env.parsed("MAIL_PROVIDER", "none")?;
    let mail = match outside(mail, "MAIL_PROVIDER", chain)? {
        Carrier::None => MailSettings::None,
        Carrier::Outbox => MailSettings::Outbox,
        Carrier::Smtp => {
            let url = server.context("MAIL_PROVIDER is smtp, and SMTP_URL is not set")?;
            let parsed = Url::parse(url.expose_secret()).ok().context("SMTP_URL is not an smtp:// or smtps:// URL")?;
            let is_sealed =
                parsed.scheme() == "smtps" || parsed.query() == Some("tls=required") || is_loopback(&parsed);
            ensure!(is_sealed, "SMTP_URL is not encrypted: use smtps:// or ?tls=required");
            let from = from.context("MAIL_PROVIDER is smtp, and MAIL_FROM is not set")?;
            let from = from.parse().context("MAIL_FROM is not an address")?;
            MailSettings::Smtp(SmtpSettings { url, from, time_limit })
        }
        Carrier::Twilio => bail!("MAIL_PROVIDER is twilio, which carries SMS"),
    };
    Ok(MessageSettings { sms, mail })
}

/// Whoever can read an outbox can sign in as those for whom its codes were meant: it is for this machine's chain only.
fn outside(carrier: Carrier, name: &str, chain: &[Url]) -> Result<Carrier> {
    let is_development = chain.iter().all(is_loopback);
    ensure!(carrier != Carrier::Outbox || is_development, "{name} is outbox, and RPC_URLS is not this machine's");
    Ok(carrier)
}
