//! Figures of the call library inside the engine: runs `control/bench/calls.js` and prints what it found.
//!
//! ```text
//!   cargo run --release -p control-embed --example figures -- [calls]
//! ```
//! Shape:  one engine; `GET /probe` tells the script its heap and this thread's processor time, `POST /figures` ends the run.
//! Units:  bytes; milliseconds.
//! Errors: a panic that says what is wrong.
//! Not measured: the HTTP of the engine; the servers of the script are stand-ins without a socket, as on Node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a tool that says what is wrong by ending")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use control_embed::{ControlEngine, Limits, Options, Peer, Script, Status};
use control_http::server::{Handler, ServerConfig, ServerStats, serve};
use control_http::wire::{Request, Response};
use rt::{Latch, TcpListener};

#[derive(Default)]
struct Place {
    engine: RefCell<Option<Rc<ControlEngine>>>,
    figures: RefCell<String>,
    done: Latch,
}

impl Handler for Place {
    async fn handle(&self, request: Request) -> Response {
        if !request.body.is_empty() {
            *self.figures.borrow_mut() = String::from_utf8_lossy(&request.body).into_owned();
            self.done.open();
            return Response::empty(200);
        }
        // The script asks within its turn, and memory is told after it.
        rt::sleep(Duration::from_millis(2)).await;
        let bytes = self.engine.borrow().as_ref().map_or(0, |engine| engine.status().memory_bytes);
        // First field: nanoseconds that this thread has run (Linux, Documentation/scheduler/sched-stats.rst).
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        let ran: f64 = text.split(' ').next().unwrap().parse().unwrap();
        // Second field: resident pages.
        let pages: u64 = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        Response::with_body(200, "application/json", format!(r#"{{"bytes":{bytes},"rss":{},"ms":{}}}"#, pages * 4096, ran / 1e6))
    }
}

fn main() {
    let calls = std::env::args().nth(1).unwrap_or_else(|| "2500".into());
    let run = async {
        let place = Rc::new(Place::default());
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().port();
        drop(rt::spawn_local(serve(listener, Rc::clone(&place), ServerConfig::default(), Rc::new(ServerStats::default()), Latch::new())));
        let script = Script::File(concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/calls.js").into());
        let environment = [("FIGURES_PORT", port.to_string()), ("FIGURES_CALLS", calls)];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // Many calls at once are more than a turn of service does.
        let limits = Limits { turn: Duration::from_secs(60), ..Limits::default() };
        let engine = ControlEngine::start(Options { us: Peer::local(0), environment, limits, ..Options::new(script) }).await.unwrap();
        *place.engine.borrow_mut() = Some(Rc::new(engine));
        place.done.wait().await;
        let Status { turns, longest, memory_bytes, .. } = place.engine.borrow().as_ref().expect("set above").status();
        println!("{}", place.figures.borrow());
        println!("{turns} turns, the longest {longest:?}, heap at the end {memory_bytes} bytes");
    };
    rt::run(&rt::Config::default(), run).unwrap();
}
