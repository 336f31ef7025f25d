//! `bench channels`: how many channels a second the RTP API opens, points at a phone and closes, and what one costs.
//!
//! ```text
//!   16 connections: POST /channel ─▶ PUT /channel/ID/target ─▶ DELETE /channel/ID ─▶ the next          no media
//! ```
//! Shape:  a closed loop on one thread: the next request of a connection goes out when its last was answered; three requests a channel.
//! Units:  channels a second; microseconds of the server's CPU, kernel included, by thread, and of time for all three.
//! Errors: text; a request that is refused ends it.
//! Note:   a freed port rests 2 s, so a second needs its ports three times. Where all rest, the load waits for one; then, and where its
//!         own core is full, the rate is "at least".

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::{threads, threads_since, times};
use super::media::round;
use super::options::Options;
use super::server::{Switch, channels_max};
use super::usage::{self, Usage};
use super::{pinned, progress};
use crate::api::Api;
use crate::load::{Histogram, kernel};

const CONNECTIONS: usize = 16;
/// Until a port has rested.
const REST: Duration = Duration::from_millis(5);
/// Above this the load was the limit.
const LOAD_CORE_MOST: f64 = 0.9;
const TARGET: &str = r#"{"ip":"127.0.0.1","port":9,"audio":{"payloads":[0]}}"#;

/// One connection and the channel that it has under way.
struct Line {
    api: Api,
    uuid: String,
    step: usize,
    began: Instant,
}

/// The measurement.
///
/// # Errors
/// The server does not start, or refuses.
pub fn measure(options: &Options) -> Result<Value, String> {
    let switch = Switch::start(&options.cores, channels_max())?;
    let (pids, port) = ([switch.id()], switch.rtp_http);
    let ((delay, waited), seconds, load_core, threads_used) = pinned(options.front_load_cpu(), || {
        let lines =
            (0..CONNECTIONS).map(|_| Api::connect(port).map(|api| Line { api, uuid: String::new(), step: 0, began: Instant::now() }));
        let mut lines = lines.collect::<Result<Vec<_>, _>>()?;
        run(&mut lines, Duration::from_millis(100))?;
        let (before, task) = (usage::by_thread(&pids), kernel::this_thread());
        let (cpu, start) = (kernel::cpu_time(&task), Instant::now());
        let ran = run(&mut lines, options.time)?;
        let seconds = start.elapsed().as_secs_f64();
        let load_core = (kernel::cpu_time(&task) - cpu).as_secs_f64() / seconds;
        Ok::<_, String>((ran, seconds, load_core, threads_since(usage::by_thread(&pids), &before)))
    })?;
    Ok(report(options, &delay, waited, seconds, load_core, &threads_used))
}

fn report(options: &Options, delay: &Histogram, waited: bool, seconds: f64, load_core: f64, used: &BTreeMap<String, Usage>) -> Value {
    let usage = used.values().fold(Usage::default(), |sum, usage| sum.and(*usage));
    let each = |usage: Usage| usage.run.as_secs_f64() * 1e6 / delay.count().max(1) as f64;
    let rate = delay.count() as f64 / seconds;
    progress(&format!("channels: {rate:.0} a second, {:.1} us of CPU each, load {:.1} %", each(usage), load_core * 100.0));
    json!({
        "what": "channels opened, pointed and closed",
        "cores": options.cores,
        "connections": CONNECTIONS,
        "channels": delay.count(),
        "channels_per_second": round(rate, 0),
        "generator_was_limit": waited || load_core > LOAD_CORE_MOST,
        "cpu_us_per_channel": round(each(usage), 2),
        "kernel_part": usage.kernel_part().map(|part| round(part, 3)),
        "threads": threads(used, each),
        "delay_us": times(delay),
        "generator": { "core": round(load_core, 3) },
    })
}

/// The times of channels, and whether one had to wait for a port.
fn run(lines: &mut [Line], time: Duration) -> Result<(Histogram, bool), String> {
    let (mut delay, mut waited) = (Histogram::default(), false);
    let end = Instant::now() + time;
    for line in &mut *lines {
        (line.step, line.began) = (0, Instant::now());
        ask(line)?;
    }
    let mut open = lines.len();
    while open > 0 {
        for line in lines.iter_mut().filter(|line| line.step < 3) {
            let (status, body) = line.api.receive().map_err(|error| format!("channels: {error}"))?;
            if status == 503 && line.step == 0 {
                waited = true;
                if Instant::now() > end {
                    line.step = 3;
                    open -= 1;
                    continue;
                }
                std::thread::sleep(REST);
                ask(line)?;
                continue;
            }
            if !(200..300).contains(&status) {
                return Err(format!("channels, request {}: {status} {}", line.step + 1, String::from_utf8_lossy(&body)));
            }
            if line.step == 0 {
                line.uuid = uuid(&body).ok_or("a channel without a uuid")?;
            }
            line.step += 1;
            if line.step == 3 {
                delay.record(u64::try_from(line.began.elapsed().as_micros()).unwrap_or(u64::MAX));
                if Instant::now() > end {
                    open -= 1;
                    continue;
                }
                (line.step, line.began) = (0, Instant::now());
            }
            ask(line)?;
        }
    }
    Ok((delay, waited))
}

fn ask(line: &mut Line) -> Result<(), String> {
    let uuid = &line.uuid;
    let sent = match line.step {
        0 => line.api.send("POST", "/channel", "{}"),
        1 => line.api.send("PUT", &format!("/channel/{uuid}/target"), TARGET),
        _ => line.api.send("DELETE", &format!("/channel/{uuid}"), ""),
    };
    sent.map_err(|error| format!("channels: {error}"))
}

fn uuid(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(r#""uuid":""#)?;
    rest.split_once('"').map(|(uuid, _)| uuid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uuid_of_an_answer_is_found() {
        assert_eq!(uuid(br#"{"uuid":"ab-1","channel":"ab-1"}"#).as_deref(), Some("ab-1"));
        assert_eq!(uuid(b"{}"), None);
    }
}
