//! New blocks are heard of by WebSocket, and polled for while no socket tells of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use diolkos::chain::{ChainSettings, Heads};
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::engine::{TestEngine, stranger};
use crate::harness::services::services;
use crate::harness::until;

/// A TCP proxy whose connections a test can cut.
#[derive(Clone)]
struct Wire {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connections: JoinSet<()>,
    accepted: usize,
    is_down: bool,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let target = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = wire.state.clone();
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let mut state = state.lock().unwrap();
                if state.is_down {
                    continue;
                }
                state.accepted += 1;
                let target = target.clone();
                state.connections.spawn(async move {
                    let mut node = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut caller, &mut node).await;
                });
            }
        });
        wire
    }

    fn url(&self) -> url::Url {
        format!("ws://{}/?key=planted-in-a-url", self.address).parse().unwrap()
    }

    /// Cuts all connections; new ones are refused until it is up again.
    fn go(&self, is_up: bool) {
        let mut state = self.state.lock().unwrap();
        state.is_down = !is_up;
        if !is_up {
            state.connections.abort_all();
        }
    }

    fn accepted(&self) -> usize {
        self.state.lock().unwrap().accepted
    }
}

/// How long a new block is waited for that is polled for only every minute.
async fn wait_for_block(heads: &mut Heads, engine: &TestEngine) -> Duration {
    let seen = engine.rpc().head().await.unwrap().number;
    let begin = Instant::now();
    heads.wait(Some(seen), Duration::from_secs(60)).await;
    begin.elapsed()
}

async fn engine_with(wire: &Wire, change: impl FnOnce(&mut ChainSettings)) -> TestEngine {
    let urls = vec![wire.url()];
    TestEngine::stopped(|settings| {
        settings.ws_urls = urls;
        change(settings);
    })
    .await
}

#[tokio::test]
async fn a_new_block_is_heard_of_and_after_a_cut_again() {
    let wire = Wire::to(&services().rpc_url).await;
    let engine = engine_with(&wire, |_| {}).await;
    let mut heads = Heads::new(&engine.settings);
    for _ in 0..4 {
        let waited = wait_for_block(&mut heads, &engine).await;
        assert!(waited < Duration::from_secs(10), "{waited:?}");
    }
    assert_eq!(wire.accepted(), 1);

    wire.go(false);
    // The loss itself is news; afterwards the caller's own pause counts.
    wait_for_block(&mut heads, &engine).await;
    let begin = Instant::now();
    heads.wait(Some(u64::MAX), Duration::from_millis(50)).await;
    assert!(begin.elapsed() < Duration::from_secs(1), "it is polled: {:?}", begin.elapsed());

    wire.go(true);
    until("the socket is open again", || async { (wire.accepted() > 1).then_some(()) }).await;
    for _ in 0..2 {
        assert!(wait_for_block(&mut heads, &engine).await < Duration::from_secs(40));
    }
}

#[tokio::test]
async fn while_a_socket_is_open_nothing_is_polled_for_what_is_known() {
    let wire = Wire::to(&services().rpc_url).await;
    let engine = engine_with(&wire, |_| {}).await;
    let mut heads = Heads::new(&engine.settings);
    wait_for_block(&mut heads, &engine).await;
    // Announced blocks are news all the same.
    let begin = Instant::now();
    heads.wait(Some(u64::MAX), Duration::from_millis(1)).await;
    assert!(begin.elapsed() > Duration::from_millis(2), "{:?}", begin.elapsed());
    // What was announced and not seen is looked for again soon: the node that is asked may lag.
    let begin = Instant::now();
    heads.wait(Some(0), Duration::from_millis(1)).await;
    assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_socket_of_another_chain_announces_nothing() {
    let other = Anvil::start(AnvilOptions { block_time: 0.2, chain_id: 80_002, ..Default::default() }).await.unwrap();
    let wire = Wire::to(&other.url()).await;
    let engine = engine_with(&wire, |_| {}).await;
    let mut heads = Heads::new(&engine.settings);
    until("it was asked twice", || async { (wire.accepted() >= 2).then_some(()) }).await;
    let begin = Instant::now();
    heads.wait(Some(0), Duration::from_millis(10)).await;
    // No socket counts as open: the caller's pause is kept.
    heads.wait(Some(u64::MAX), Duration::from_millis(10)).await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    other.stop().await.unwrap();
}

#[tokio::test]
async fn payments_arrive_while_sockets_come_and_go() {
    let wire = Wire::to(&services().rpc_url).await;
    let mut engine = engine_with(&wire, |_| {}).await;
    engine.run().await;
    for is_up in [true, false, true, false, true] {
        wire.go(is_up);
        let jane = stranger();
        let operations = engine.pay(&[(jane, 3)]).await;
        engine.arrives_once(jane, &operations).await;
    }
    engine.lane_at_rest().await;
}

#[tokio::test]
async fn with_a_socket_a_payment_does_not_wait_for_the_next_look() {
    let wire = Wire::to(&services().rpc_url).await;
    let mut engine = engine_with(&wire, |settings| {
        settings.poll = Duration::from_secs(120);
        settings.lease = Duration::from_secs(600);
    })
    .await;
    engine.run().await;
    let jane = stranger();
    let operations = engine.pay(&[(jane, 3)]).await;
    // Within a minute, that is; it would be looked every two.
    engine.arrives_once(jane, &operations).await;
}
