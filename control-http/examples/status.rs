//! The server alone, for measuring: `GET /status` with a load generator on another core.
//!
//! ```text
//!   cargo run --release -p control-http --example status -- 127.0.0.1:9009 0
//!   taskset -c 1 wrk -t1 -c64 -d5 http://127.0.0.1:9009/status
//! ```
//! Shape:  one executor pinned to the CPU named last, the routes of project-sip, a core that answers at once.
//! Stop:   end the process.

use std::rc::Rc;

use control_http::routes::{Program, SipApi, SipBackend};
use control_http::server::{ServerConfig, ServerStats, serve};
use serde_json::{Map, Value, json};
use sip::api::{Command, CommandError, Reply};

/// A core with a few figures.
struct Core;

impl SipBackend for Core {
    async fn call(&self, command: Command) -> Result<Reply, CommandError> {
        match command {
            Command::Status => Ok(Reply::Status(vec![("dialogs", 12), ("registrations", 1255), ("requests_total", 99_999)])),
            _ => Err(CommandError::Impossible("this is only a bench".into())),
        }
    }
}

impl Program for Core {
    fn status(&self) -> Map<String, Value> {
        [("version", json!(env!("CARGO_PKG_VERSION"))), ("uptime_s", json!(1)), ("accepting", json!(true))]
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect()
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn drain(&self) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9009".into()).parse()?;
    let cpu = arguments.next().map(|cpu| cpu.parse()).transpose()?;
    rt::run(&rt::Config { cpu }, async {
        let listener = rt::TcpListener::bind(address).await?;
        let server = Rc::new(ServerStats::default());
        let api = Rc::new(SipApi { backend: Core, program: Core, server: Rc::clone(&server) });
        serve(listener, api, ServerConfig::default(), server, rt::Latch::new()).await;
        Ok(())
    })?
}
