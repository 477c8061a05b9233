//! Requests that are written before the clock starts, and just enough of HTTP/1.1 to read their answers: the generator
//! shares the machine with what it measures.

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Stands for the request's number in a text; as wide as what is written there.
pub const NUMBER: &str = "############";
/// Stands for the last eight digits of a phone number.
pub const PHONE: &str = "@@@@@@@@";

/// A request with gaps for a number and for a phone.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    number: Option<usize>,
    phone: Option<usize>,
    /// Phones go round among so many.
    phones: u64,
}

impl Request {
    /// A POST of JSON, in which [`NUMBER`] and [`PHONE`] may occur once each; phones go round among `phones`.
    pub fn post(path: &str, key: &str, body: &str, phones: u64) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let text = head + body;
        let (number, phone) = (text.find(NUMBER), text.find(PHONE));
        Self { bytes: text.into_bytes(), number, phone, phones: phones.max(1) }
    }

    /// The request of this number.
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        if let Some(at) = self.number {
            write_digits(&mut self.bytes, at, NUMBER.len(), number);
        }
        if let Some(at) = self.phone {
            write_digits(&mut self.bytes, at, PHONE.len(), number % self.phones);
        }
        &self.bytes
    }
}

fn write_digits(bytes: &mut [u8], at: usize, width: usize, mut number: u64) {
    for digit in bytes.iter_mut().skip(at).take(width).rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens one to `host:port`.
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("{address} does not answer"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads its answer; fails unless its status is the expected one.
    pub async fn ask(&mut self, request: &[u8], expected: u16) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed a connection in the middle of an answer");
            }
            if let Some(status) = complete(&self.buffer)? {
                if status != expected {
                    bail!("answered {status}, not {expected}: {}", String::from_utf8_lossy(&self.buffer));
                }
                return Ok(());
            }
        }
    }
}

/// The status of an answer once all of it is there.
fn complete(answer: &[u8]) -> anyhow::Result<Option<u16>> {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(answer.get(..head).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)).and_then(|digits| digits.parse().ok());
    let status = status.with_context(|| format!("this is no answer of HTTP/1.1: {text}"))?;
    let length = lines.find_map(|line| line.strip_prefix("content-length: ")).context("an answer without a length")?;
    let length: usize = length.parse()?;
    Ok((answer.len() >= head + 4 + length).then_some(status))
}
