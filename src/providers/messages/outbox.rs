//! Where messages land on a developer's machine.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Mail, MailCarrier, NotSent, Sms, SmsCarrier};

/// Messages that are kept; older ones are forgotten.
const MOST: usize = 1_000;

/// The newest messages, in memory alone.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Mutex<VecDeque<Sent>>>);

/// A message that would have been sent.
#[derive(Clone, Serialize, ToSchema)]
pub struct Sent {
    /// `sms` or `mail`.
    pub channel: &'static str,
    /// To whom.
    #[schema(example = "+2250700000001")]
    pub to: String,
    /// What it is about, of an e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it says.
    #[schema(example = "123456 is your code.")]
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Outbox {
    /// The messages, newest first.
    pub fn messages(&self) -> Vec<Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    fn put(&self, sent: Sent) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.len() == MOST {
            messages.pop_front();
        }
        messages.push_back(sent);
    }
}

#[async_trait]
impl SmsCarrier for Outbox {
    async fn send(&self, message: &Sms) -> Result<(), NotSent> {
        let (to, text) = (message.to.e164().to_owned(), message.text.clone());
        self.put(Sent { channel: "sms", to, subject: None, text, at: Utc::now() });
        Ok(())
    }
}

#[async_trait]
impl MailCarrier for Outbox {
    async fn send(&self, message: &Mail) -> Result<(), NotSent> {
        let (to, subject, text) = (message.to.clone(), Some(message.subject.clone()), message.text.clone());
        self.put(Sent { channel: "mail", to, subject, text, at: Utc::now() });
        Ok(())
    }
}
