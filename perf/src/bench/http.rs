//! `bench http`: how many `GET /status` the RTP API answers a second, and what one costs.
//!
//! ```text
//!   16 connections, each with one request under way ─▶ the RTP API, no channels ─▶ requests a second, CPU per request, delay
//! ```
//! Shape:  a closed loop on one thread: the next request of a connection goes out when its last was answered.
//! Units:  requests a second; microseconds of the server's CPU, kernel included, and of time from request to answer.
//! Errors: text; any answer but 200 ends it.
//! Note:   where the load's own core is full, the rate is "at least".

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::media::round;
use super::options::Options;
use super::server::Switch;
use super::usage::Usage;
use super::{pinned, progress};
use crate::api::Api;
use crate::load::{Histogram, kernel};

const CONNECTIONS: usize = 16;
/// Above this the load was the limit.
const LOAD_CORE_MOST: f64 = 0.9;

/// The measurement.
///
/// # Errors
/// The server does not start, or does not answer.
pub fn measure(options: &Options) -> Result<Value, String> {
    let switch = Switch::start(&options.cores, 2)?;
    let (id, port) = (switch.id(), switch.rtp_http);
    let (requests, seconds, load_cpu, delay, usage) = pinned(options.front_load_cpu(), || {
        let mut connections = (0..CONNECTIONS).map(|_| Api::connect(port)).collect::<Result<Vec<_>, _>>()?;
        run(&mut connections, Duration::from_millis(100))?;
        let (before, task) = (Usage::of_process(id).unwrap_or_default(), kernel::this_thread());
        let (cpu, start) = (kernel::cpu_time(&task), Instant::now());
        let delay = run(&mut connections, options.time)?;
        let seconds = start.elapsed().as_secs_f64();
        let load_cpu = (kernel::cpu_time(&task) - cpu).as_secs_f64() / seconds;
        Ok::<_, String>((delay.count(), seconds, load_cpu, delay, Usage::of_process(id).unwrap_or_default().since(before)))
    })?;
    let (rate, cpu_us) = (requests as f64 / seconds, usage.run.as_secs_f64() * 1e6 / requests.max(1) as f64);
    progress(&format!("http: {rate:.0} requests a second, {cpu_us:.1} us of CPU each, load {:.1} %", load_cpu * 100.0));
    Ok(json!({
        "what": "http GET /status",
        "cores": options.cores,
        "connections": CONNECTIONS,
        "requests": requests,
        "requests_per_second": round(rate, 0),
        "generator_was_limit": load_cpu > LOAD_CORE_MOST,
        "cpu_us_per_request": round(cpu_us, 2),
        "kernel_part": usage.kernel_part().map(|part| round(part, 3)),
        "delay_us": { "p50": delay.quantile(0.5), "p99": delay.quantile(0.99), "p999": delay.quantile(0.999), "max": delay.max() },
        "generator": { "core": round(load_cpu, 3) },
    }))
}

fn run(connections: &mut [Api], time: Duration) -> Result<Histogram, String> {
    let mut delay = Histogram::default();
    let end = Instant::now() + time;
    let mut sent = vec![Instant::now(); connections.len()];
    let ask = |connection: &mut Api| connection.send("GET", "/status", "").map_err(|error| format!("GET /status: {error}"));
    connections.iter_mut().try_for_each(ask)?;
    loop {
        let over = Instant::now() > end;
        for (connection, sent) in connections.iter_mut().zip(&mut sent) {
            let (status, _) = connection.receive().map_err(|error| format!("GET /status: {error}"))?;
            if status != 200 {
                return Err(format!("GET /status: {status}"));
            }
            delay.record(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            if !over {
                *sent = Instant::now();
                ask(connection)?;
            }
        }
        if over {
            return Ok(delay);
        }
    }
}
