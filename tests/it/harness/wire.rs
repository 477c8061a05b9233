//! Bytes on a bare connection, for requests that no HTTP client would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends the bytes and reads until the server closes; whatever it answered. The request should ask for that with
/// `connection: close`.
pub async fn send(base_url: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(base_url.trim_start_matches("http://")).await.unwrap();
    // A server that has seen enough may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}
