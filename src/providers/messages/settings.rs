//! Who sends messages.

use super::{SmtpSettings, TwilioSettings};

/// The carriers.
#[derive(Clone)]
pub struct MessageSettings {
    /// Of text messages.
    pub sms: SmsSettings,
    /// Of e-mails.
    pub mail: MailSettings,
}

/// Who sends text messages.
#[derive(Clone)]
pub enum SmsSettings {
    /// Nobody.
    None,
    /// They are kept for operators to read.
    Outbox,
    /// Twilio.
    Twilio(TwilioSettings),
}

/// Who sends e-mails.
#[derive(Clone)]
pub enum MailSettings {
    /// Nobody.
    None,
    /// They are kept for operators to read.
    Outbox,
    /// An SMTP server.
    Smtp(SmtpSettings),
}
