//! Carriers of messages by the protocols they speak: an SMTP server and Twilio's API, both of this test.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use diolkos::foundation::Phone;
use diolkos::providers::messages::{
    Mail, MailSettings, MessageSettings, Messages, NotSent, Sms, SmsSettings, SmtpSettings, TwilioSettings,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_millis(500);

/// What a server was told, whole.
type Heard = Arc<Mutex<Vec<String>>>;

/// Takes mails as RFC 5321 says, except for those to `nobody@…`, and the first to `busy@…`. One to `silent@…` is never
/// answered.
pub async fn smtp_server() -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Heard::default());
    let (mails, is_busy) = (heard.clone(), Arc::new(AtomicBool::new(true)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (mails, is_busy) = (mails.clone(), is_busy.clone());
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                write.write_all(b"220 test\r\n").await.unwrap();
                let mut mail = None::<String>;
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some(text) = &mut mail {
                        text.push_str(&line);
                        text.push('\n');
                        if line != "." {
                            continue;
                        }
                        mails.lock().unwrap().extend(mail.take());
                    }
                    let answer = match line.split(' ').next().unwrap() {
                        "RCPT" if line.contains("<silent@") => std::future::pending().await,
                        "RCPT" if line.contains("<nobody@") => "550 no such mailbox jane",
                        "RCPT" if line.contains("<busy@") && is_busy.swap(false, Ordering::SeqCst) => "450 later",
                        "DATA" => {
                            mail = Some(String::new());
                            "354 go on"
                        }
                        "QUIT" => "221 bye",
                        _ => "250 yes",
                    };
                    if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, heard)
}

fn by_smtp(port: u16) -> Messages {
    let mail = MailSettings::Smtp(SmtpSettings {
        url: format!("smtp://127.0.0.1:{port}").into(),
        from: "Acme <no-reply@acme.example>".parse().unwrap(),
        time_limit: LIMIT,
    });
    Messages::new(&MessageSettings { sms: SmsSettings::None, mail }).unwrap()
}

fn mail_to(to: &str) -> Mail {
    Mail { to: to.to_owned(), subject: "Your code".to_owned(), text: "123456 is your code.".to_owned() }
}

#[tokio::test]
async fn a_mail_leaves_by_smtp_and_a_server_that_does_not_take_it_is_told_without_the_address() {
    let (port, heard) = smtp_server().await;
    let messages = by_smtp(port);
    messages.mail(&mail_to("jane@example.com")).await.unwrap();
    let mail = heard.lock().unwrap()[0].clone();
    for line in ["To: jane@example.com", "Subject: Your code", "123456 is your code."] {
        assert!(mail.contains(line), "{mail}");
    }
    assert!(mail.contains("no-reply@acme.example"));

    let refused = messages.mail(&mail_to("nobody@example.com")).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: 550");
    let silent = messages.mail(&mail_to("silent@example.com")).await.unwrap_err();
    assert!(matches!(silent, NotSent::NoAnswer(_)), "{silent}");
    assert!(matches!(messages.mail(&mail_to("no address")).await, Err(NotSent::Refused(_))));
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_left_alone_after_some_failures() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let messages = by_smtp(port);
    let mut failures = 0;
    while !matches!(messages.mail(&mail_to("jane@example.com")).await, Err(NotSent::Resting)) {
        failures += 1;
        assert!(failures < 50, "it is never left alone");
    }
    assert!(failures > 3, "{failures}");
}

/// What Twilio's API answers, one after the other; the last one for good.
async fn twilio(statuses: &[u16]) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, heard) = (format!("http://{}", listener.local_addr().unwrap()), Heard::default());
    let answers = Arc::new(Mutex::new(statuses.to_vec()));
    let state = (heard.clone(), answers);
    async fn take(
        State((heard, answers)): State<(Heard, Arc<Mutex<Vec<u16>>>)>,
        headers: HeaderMap,
        body: String,
    ) -> (StatusCode, &'static str) {
        heard.lock().unwrap().push(format!("{} {body}", headers["authorization"].to_str().unwrap()));
        let mut answers = answers.lock().unwrap();
        let status = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        (StatusCode::from_u16(status).unwrap(), r#"{"code": 21211, "message": "no such number"}"#)
    }
    let router = Router::new().route("/2010-04-01/Accounts/AC1/Messages.json", post(take)).with_state(state);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, heard)
}

async fn text_by(statuses: &[u16]) -> (Result<(), NotSent>, Vec<String>) {
    let (url, heard) = twilio(statuses).await;
    let sms = SmsSettings::Twilio(TwilioSettings {
        url: url.parse().unwrap(),
        account: "AC1".to_owned(),
        token: "secret".into(),
        from: "+15005550006".to_owned(),
        time_limit: LIMIT,
    });
    let messages = Messages::new(&MessageSettings { sms, mail: MailSettings::None }).unwrap();
    let to = Phone::parse("+2250700000001").unwrap();
    let sent = messages.sms(&Sms { to, text: "123456 is your code.".to_owned() }).await;
    let heard = heard.lock().unwrap().clone();
    (sent, heard)
}

#[tokio::test]
async fn a_text_message_goes_to_twilio_once_whatever_it_answers() {
    let (sent, heard) = text_by(&[201]).await;
    sent.unwrap();
    // Basic AC1:secret.
    let form = "To=%2B2250700000001&From=%2B15005550006&Body=123456+is+your+code.";
    assert_eq!(heard, [format!("Basic QUMxOnNlY3JldA== {form}")]);

    // Not looked at: it may go again.
    let (sent, heard) = text_by(&[429, 201]).await;
    sent.unwrap();
    assert_eq!(heard.len(), 2);
    // Perhaps done: two codes would confuse.
    let (sent, heard) = text_by(&[500, 201]).await;
    assert!(matches!(sent, Err(NotSent::NoAnswer(_))));
    assert_eq!(heard.len(), 1);
    let (sent, heard) = text_by(&[400]).await;
    assert_eq!(sent.unwrap_err().to_string(), "refused: status 400 code 21211");
    assert_eq!(heard.len(), 1);
}
