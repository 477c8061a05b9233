//! E-mail through an SMTP server (RFC 5321), by TLS unless the server is this machine.

use std::time::Duration;

use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use recloser::AsyncRecloser;
use secrecy::{ExposeSecret, SecretString};

use super::{Mail, MailCarrier, NotSent, breaker};

/// An SMTP server.
#[derive(Clone)]
pub struct SmtpSettings {
    /// `smtps://user:password@host:port`, or `smtp://…?tls=required`; plain `smtp://` for this machine only.
    pub url: SecretString,
    /// Whom mails are from.
    pub from: Mailbox,
    /// How long one mail may take.
    pub time_limit: Duration,
}

/// `SMTP_URL` names no SMTP server.
#[derive(Debug, thiserror::Error)]
#[error("SMTP_URL is not an smtp:// or smtps:// URL")]
pub struct InvalidSmtp;

/// Mails through an SMTP server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    breaker: AsyncRecloser,
    time_limit: Duration,
}

/// Why a mail did not go.
enum Failed {
    Smtp(lettre::transport::smtp::Error),
    TimedOut,
}

impl Smtp {
    /// Connects when first used.
    pub fn new(settings: &SmtpSettings) -> Result<Self, InvalidSmtp> {
        // The error could quote the password.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(settings.url.expose_secret())
            .map_err(|_| InvalidSmtp)?
            .timeout(Some(settings.time_limit))
            .build();
        Ok(Self { transport, from: settings.from.clone(), breaker: breaker(), time_limit: settings.time_limit })
    }
}

#[async_trait]
impl MailCarrier for Smtp {
    async fn send(&self, message: &Mail) -> Result<(), NotSent> {
        let refused = |_| NotSent::Refused("the message cannot be written".to_owned());
        let to: Mailbox = message.to.parse().map_err(|_| NotSent::Refused("not an address".to_owned()))?;
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(&message.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone())
            .map_err(refused)?;
        // The transport's own limit ends with the connection's beginning.
        let sent = async {
            match tokio::time::timeout(self.time_limit, self.transport.send(mail)).await {
                Ok(sent) => sent.map_err(Failed::Smtp),
                Err(_) => Err(Failed::TimedOut),
            }
        };
        let is_theirs = |failed: &Failed| !matches!(failed, Failed::Smtp(error) if error.is_permanent());
        // A server's words may quote the address.
        match self.breaker.call_with(is_theirs, sent).await {
            Ok(_) => Ok(()),
            Err(recloser::Error::Rejected) => Err(NotSent::Resting),
            Err(recloser::Error::Inner(Failed::TimedOut)) => Err(NotSent::NoAnswer("timeout".to_owned())),
            Err(recloser::Error::Inner(Failed::Smtp(error))) if error.is_permanent() || error.is_transient() => {
                let code = error.status().map_or_else(|| "no code".to_owned(), |code| code.to_string());
                Err(NotSent::Refused(code))
            }
            Err(recloser::Error::Inner(Failed::Smtp(_))) => Err(NotSent::NoAnswer("no connection".to_owned())),
        }
    }
}
