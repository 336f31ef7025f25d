//! What a program says of itself: `/status`, `/health`, `/ready`, `/drain`.
//!
//! Shape:  one [`Service`] per program and process, shared by its routes.
//! Units:  uptime in seconds.
//! Errors: `not ready` while draining or ending.
//! Not here: the counters of the cores, which the routes ask for themselves.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use control_http::routes::Program;
use serde_json::{Map, Value, json};

use crate::shard::Layout;

type More = Box<dyn Fn(&mut Map<String, Value>)>;
type Accepts = Box<dyn Fn() -> Result<(), String>>;

/// One of the three programs, wherever it runs. Clones are the same service.
#[derive(Clone)]
pub struct Service(Rc<State>);

struct State {
    name: &'static str,
    start: Instant,
    /// Milliseconds since 1970: another one is another process.
    started: u64,
    cores: Vec<usize>,
    draining: Cell<bool>,
    on_drain: Box<dyn Fn()>,
    more: More,
    accepts: Accepts,
}

impl Service {
    /// `on_drain` is called once; `more` adds to `/status`; `accepts` says why no new work is taken, if so.
    pub fn new(
        name: &'static str,
        layout: &Layout,
        on_drain: impl Fn() + 'static,
        more: impl Fn(&mut Map<String, Value>) + 'static,
        accepts: impl Fn() -> Result<(), String> + 'static,
    ) -> Self {
        Self(Rc::new(State {
            name,
            start: Instant::now(),
            started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            cores: layout.shards.iter().map(|shard| shard.cpu).collect(),
            draining: Cell::new(false),
            on_drain: Box::new(on_drain),
            more: Box::new(more),
            accepts: Box::new(accepts),
        }))
    }
}

impl Program for Service {
    fn status(&self) -> Map<String, Value> {
        let service = &self.0;
        let mut status = Map::new();
        status.insert("program".into(), service.name.into());
        status.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        status.insert("backend".into(), "io_uring".into());
        status.insert("uptime".into(), service.start.elapsed().as_secs().into());
        status.insert("started".into(), service.started.into());
        status.insert("cpus".into(), json!(service.cores));
        status.insert("draining".into(), service.draining.get().into());
        (service.more)(&mut status);
        status
    }

    fn health(&self) -> Result<(), String> {
        // It answers, so its executor turns; a shard that died has ended the process.
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        if self.0.draining.get() { Err("draining: nothing new is taken".into()) } else { (self.0.accepts)() }
    }

    fn drain(&self) {
        if !self.0.draining.replace(true) {
            tracing::info!(program = self.0.name, "draining: nothing new is taken");
            (self.0.on_drain)();
        }
    }
}
