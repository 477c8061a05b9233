//! A proxy in front of Postgres that can cut connections, also between a commit and its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// The proxy of one test.
#[derive(Clone)]
pub struct DbProxy {
    pub port: u16,
    commits_to_lose: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
    is_down: watch::Sender<bool>,
}

impl DbProxy {
    /// A proxy to the socket `.s.PGSQL.*` of a folder.
    pub async fn start(socket: std::path::PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_down = watch::Sender::new(false);
        let proxy = Self { port, commits_to_lose: Arc::default(), lost: Arc::default(), is_down };
        let served = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *served.is_down.borrow() {
                    continue;
                }
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(served.clone().pass(client, server));
            }
        });
        proxy
    }

    /// The answers of the next `count` commits are lost: the commit happens, the connection is cut.
    pub fn lose_answers_of_commits(&self, count: usize) {
        self.commits_to_lose.store(count, Ordering::SeqCst);
    }

    /// How many answers were lost so far.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    /// Cuts every connection and lets nobody in.
    pub fn go_down(&self) {
        self.is_down.send_replace(true);
    }

    /// Lets everybody in again.
    pub fn come_back(&self) {
        self.is_down.send_replace(false);
    }

    async fn pass(self, mut client: TcpStream, mut server: UnixStream) {
        let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let mut is_down = self.is_down.subscribe();
        loop {
            tokio::select! {
                () = async { drop(is_down.wait_for(|is_down| *is_down).await) } => return,
                read = client.read(&mut up) => {
                    let Ok(count @ 1..) = read else { return };
                    if server.write_all(&up[..count]).await.is_err() {
                        return;
                    }
                    if up[..count].windows(6).any(|window| window == b"COMMIT") && self.loses() {
                        // Postgres has committed once it answers; that answer goes nowhere.
                        let _ = server.read(&mut down).await;
                        self.lost.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                }
                read = server.read(&mut down) => {
                    let Ok(count @ 1..) = read else { return };
                    if client.write_all(&down[..count]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn loses(&self) -> bool {
        self.commits_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}
