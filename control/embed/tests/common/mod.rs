//! What the tests share: an engine on free ports, a place for scripts to post their outcome to, and the log as text.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and helpers of tests are tests")]

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control_embed::{ControlEngine, Limits, Options, Peer, Script, StartError};
use control_http::server::{Handler, ServerConfig, ServerStats, serve};
use control_http::wire::{Request, Response};
use rt::{Latch, OneshotReceiver, OneshotSender, TcpListener, oneshot};

/// Body of the first request to the place of outcomes.
pub struct Outcome(pub String);

struct Place(RefCell<Option<OneshotSender<Outcome>>>);

impl Handler for Place {
    async fn handle(&self, request: Request) -> Response {
        let body = String::from_utf8(request.body).unwrap();
        if let Some(sender) = self.0.borrow_mut().take() {
            let _ = sender.send(Outcome(body));
        }
        Response::empty(200)
    }
}

/// Listens for an outcome: its port, and what will come.
pub async fn outcome() -> (u16, OneshotReceiver<Outcome>) {
    let (sender, receiver) = oneshot();
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().port();
    let place = Rc::new(Place(RefCell::new(Some(sender))));
    let config =
        ServerConfig { limits: control_http::wire::Limits { body_bytes_max: 16 << 20, ..Default::default() }, ..ServerConfig::default() };
    drop(rt::spawn_local(serve(listener, place, config, Rc::new(ServerStats::default()), Latch::new())));
    (port, receiver)
}

/// Options on free ports.
pub fn options(script: Script, environment: &[(&str, &str)]) -> Options {
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Options { us: Peer::local(0), environment, ..Options::new(script) }
}

/// An engine on free ports.
pub async fn engine(script: Script, environment: &[(&str, &str)]) -> Result<ControlEngine, StartError> {
    ControlEngine::start(options(script, environment)).await
}

/// A script given as text.
pub fn text(source: &str) -> Script {
    Script::Text { name: "test.js".into(), source: source.into() }
}

/// Small limits, for scripts that break them.
pub fn tight() -> Limits {
    Limits { turn: Duration::from_millis(50), memory_bytes: 16 << 20, ..Limits::default() }
}

/// Runs a test on an executor of its own.
pub fn within<F: Future>(limit: Duration, test: F) -> F::Output {
    rt::run(&rt::Config::default(), async { rt::timeout(limit, test).await }).unwrap().expect("the test is not over in time")
}

/// What is logged while `test` runs.
pub fn logged<F: Future>(test: F) -> (String, F::Output) {
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).finish();
    let output = tracing::subscriber::with_default(subscriber, || within(Duration::from_secs(30), test));
    let bytes = sink.0.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap(), output)
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
