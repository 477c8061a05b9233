//! Hearing of new blocks at once, by WebSocket (`eth_subscribe newHeads`), where endpoints offer it.
//!
//! What the socket says is a hint to look, and nothing more: the block itself is asked of the RPC endpoints. While no
//! socket is open, the engine looks as often as it would without one.

use std::time::Duration;

use alloy::providers::{Provider, ProviderBuilder};
use alloy::pubsub::{ConnectionHandle, PubSubConnect};
use alloy::rpc::client::WsConnect;
use alloy::transports::{TransportErrorKind, TransportResult};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::rpc::name_of;
use super::rpc_error::RpcError;
use super::settings::ChainSettings;

/// How long the engine waits at most while a socket is open and tells nothing.
const QUIET: Duration = Duration::from_secs(2);

/// A socket that tells nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// How long it is waited before a socket is opened again: twice as long every time, until one has told something.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// News of blocks.
#[derive(Debug)]
pub struct Heads {
    /// The height that was announced last; `None` while no socket is open.
    announced: watch::Receiver<Option<u64>>,
    /// Ends with this value; there is none without sockets.
    _listener: Option<AbortOnDropHandle<()>>,
}

impl Heads {
    /// News from the endpoints that are configured for it, if any is.
    pub fn new(settings: &ChainSettings) -> Self {
        let (announce, announced) = watch::channel(None);
        let listener = Listener {
            urls: settings.ws_urls.clone(),
            chain_id: settings.chain_id,
            time_limit: settings.rpc_time_limit,
            announce,
        };
        let listener = (!listener.urls.is_empty()).then(|| AbortOnDropHandle::new(tokio::spawn(listener.run())));
        Self { announced, _listener: listener }
    }

    /// Waits until a block is announced, at most for `pause`; or, while a socket is open that has announced nothing beyond
    /// the block `seen`, a while longer.
    pub async fn wait(&mut self, seen: Option<u64>, pause: Duration) {
        let announced = *self.announced.borrow_and_update();
        let is_up_to_date = announced.is_some_and(|height| seen.is_some_and(|seen| height <= seen));
        let pause = if is_up_to_date && !pause.is_zero() { pause.max(QUIET) } else { pause };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Without a listener nothing ever changes.
            Ok(()) = self.announced.changed() => {}
        }
    }
}

/// A connection that is not made again by itself: behind the next one there may be another chain.
struct Once(WsConnect);

impl PubSubConnect for Once {
    fn is_local(&self) -> bool {
        self.0.is_local()
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        self.0.connect().await
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Err(TransportErrorKind::non_retryable_str("the connection was lost"))
    }
}

/// Keeps one socket open, to any of the endpoints.
struct Listener {
    urls: Vec<Url>,
    chain_id: u64,
    time_limit: Duration,
    announce: watch::Sender<Option<u64>>,
}

impl Listener {
    async fn run(self) {
        let mut pause = SHORTEST_PAUSE;
        for (index, url) in self.urls.iter().enumerate().cycle() {
            let endpoint = name_of(index, url);
            let failure = self.listen(&endpoint, url).await;
            // That there is none as before is no news.
            let told_something = self.announce.send_if_modified(|height| height.take().is_some());
            metrics::gauge!("diolkos_heads_socket_open", "endpoint" => endpoint.clone()).set(0.0);
            metrics::counter!("diolkos_heads_sockets_lost_total", "endpoint" => endpoint.clone()).increment(1);
            tracing::warn!(endpoint, %failure, "no socket tells of new blocks: they are polled for");
            pause = if told_something { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Announces what one endpoint tells, until it tells nothing any more. The error's own words may hold the URL's key.
    async fn listen(&self, endpoint: &str, url: &Url) -> RpcError {
        match self.announce_all(endpoint, url).await {
            Ok(()) => RpcError::Unavailable("the socket was closed or fell silent".into()),
            Err(error) => error,
        }
    }

    async fn announce_all(&self, endpoint: &str, url: &Url) -> Result<(), RpcError> {
        let builder = ProviderBuilder::new().disable_recommended_fillers();
        let provider = self.in_time(builder.connect_pubsub_with(Once(WsConnect::new(url.as_str())))).await?;
        // Behind every new connection there may be another node.
        let served = self.in_time(async { provider.get_chain_id().await }).await?;
        if served != self.chain_id {
            let error = RpcError::OtherChain { served, expected: self.chain_id };
            tracing::error!(endpoint, %error, "an RPC endpoint is not used");
            metrics::counter!("diolkos_rpc_other_chain_total", "endpoint" => endpoint.to_owned()).increment(1);
            return Err(error);
        }
        let mut blocks = self.in_time(async { provider.subscribe_blocks().await }).await?;
        metrics::gauge!("diolkos_heads_socket_open", "endpoint" => endpoint.to_owned()).set(1.0);
        tracing::info!(endpoint, "a socket tells of new blocks");
        while let Ok(Ok(block)) = tokio::time::timeout(SILENCE, blocks.recv()).await {
            self.announce.send_replace(Some(block.number));
        }
        Ok(())
    }

    async fn in_time<T>(&self, answer: impl Future<Output = TransportResult<T>>) -> Result<T, RpcError> {
        match tokio::time::timeout(self.time_limit, answer).await {
            Ok(answer) => answer.map_err(RpcError::from),
            Err(_) => Err(RpcError::time_limit()),
        }
    }
}
