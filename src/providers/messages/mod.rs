//! Messages to people: SMS and e-mail.
//!
//! Live ones go through whoever is configured: Twilio or an SMTP server. On a developer's machine they land in an outbox
//! that operators can read.

mod outbox;
mod settings;
mod smtp;
mod twilio;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use recloser::{AsyncRecloser, Recloser};

use crate::foundation::Phone;

pub use outbox::{Outbox, Sent};
pub use settings::{MailSettings, MessageSettings, SmsSettings};
pub use smtp::{InvalidSmtp, Smtp, SmtpSettings};
pub use twilio::{Twilio, TwilioSettings};

/// Messages of which half may fail before a carrier is left alone, less one.
const PATIENCE: usize = 10;
/// How long it is left alone.
const REST: Duration = Duration::from_secs(5);

fn breaker() -> AsyncRecloser {
    AsyncRecloser::from(Recloser::custom().closed_len(PATIENCE).half_open_len(1).open_wait(REST).build())
}

/// A text message. No `Debug`: it holds codes.
pub struct Sms {
    /// To whom.
    pub to: Phone,
    /// What it says.
    pub text: String,
}

/// An e-mail in plain text. No `Debug`: it holds codes.
pub struct Mail {
    /// To whom.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// The message did not go, as far as we know. Quotes neither it nor to whom.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// Nobody is configured to take such messages.
    #[error("nobody is configured to send such messages")]
    NoCarrier,
    /// Whoever should have taken it refused.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer, or none that could be read.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The carrier has failed so often that it is left alone for a while.
    #[error("left alone for a while after repeated failures")]
    Resting,
}

/// Whoever sends text messages.
#[async_trait]
pub trait SmsCarrier: Send + Sync {
    /// Hands a message over.
    async fn send(&self, message: &Sms) -> Result<(), NotSent>;
}

/// Whoever sends e-mails.
#[async_trait]
pub trait MailCarrier: Send + Sync {
    /// Hands a message over.
    async fn send(&self, message: &Mail) -> Result<(), NotSent>;
}

/// The ways out. Cheap to clone.
#[derive(Clone)]
pub struct Messages {
    sms: Option<Arc<dyn SmsCarrier>>,
    mail: Option<Arc<dyn MailCarrier>>,
    outbox: Option<Outbox>,
}

impl Messages {
    /// The configured carriers.
    pub fn new(settings: &MessageSettings) -> Result<Self, anyhow::Error> {
        let outbox = Outbox::default();
        let sms: Option<Arc<dyn SmsCarrier>> = match &settings.sms {
            SmsSettings::None => None,
            SmsSettings::Outbox => Some(Arc::new(outbox.clone())),
            SmsSettings::Twilio(twilio) => Some(Arc::new(Twilio::new(twilio.clone())?)),
        };
        let mail: Option<Arc<dyn MailCarrier>> = match &settings.mail {
            MailSettings::None => None,
            MailSettings::Outbox => Some(Arc::new(outbox.clone())),
            MailSettings::Smtp(smtp) => Some(Arc::new(Smtp::new(smtp)?)),
        };
        let has_outbox = matches!(settings.sms, SmsSettings::Outbox) || matches!(settings.mail, MailSettings::Outbox);
        Ok(Self { sms, mail, outbox: has_outbox.then_some(outbox) })
    }

    /// Sends a text message.
    pub async fn sms(&self, message: &Sms) -> Result<(), NotSent> {
        self.sms.as_ref().ok_or(NotSent::NoCarrier)?.send(message).await
    }

    /// Whether anybody is configured to take text messages.
    pub fn carry_sms(&self) -> bool {
        self.sms.is_some()
    }

    /// Sends a text message while the caller goes on, for one who must not learn whether there was any. It is lost with the
    /// process.
    pub fn sms_later(&self, message: Sms) {
        let messages = self.clone();
        tokio::spawn(async move {
            if let Err(error) = messages.sms(&message).await {
                tracing::error!(%error, "a text message could not be sent");
                metrics::counter!("diolkos_messages_not_sent_total", "channel" => "sms").increment(1);
            }
        });
    }

    /// Sends an e-mail.
    pub async fn mail(&self, message: &Mail) -> Result<(), NotSent> {
        self.mail.as_ref().ok_or(NotSent::NoCarrier)?.send(message).await
    }

    /// The outbox, where messages land in one.
    pub fn outbox(&self) -> Option<&Outbox> {
        self.outbox.as_ref()
    }
}
