//! `/status`, `/metrics`, `/health`, `/ready`, `/drain`: what every program says of itself.
//!
//! ```text
//!   Program::status + core counters + server counters ──► one JSON object ──► /status
//!                                                                        └──► each number in it ──► /metrics
//! ```
//! Shape:  metrics are made from the status object, so that both always agree: `{"sip":{"dialogs":3}}` is
//!         `mediaswitch_sip_dialogs 3`; an array of objects is labelled by the first key of each
//!         (`{"cores":[{"core":0,"channels":5}]}` is `mediaswitch_cores_channels{core="0"} 5`). Texts at the top
//!         become labels of `mediaswitch_info`; an object with `leus` is a histogram in seconds. Types and meanings are those
//!         of `docs/metrics.md`: what is not there is untyped, and fails a test of the programs.
//! Errors: [`Refusal`]: 503 from `/ready` and `/health`, 404, 405.
//! Source: `docs/openapi.yaml`, `docs/metrics.md`; the Prometheus text format 0.0.4.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value, json as value};

use super::{Program, Refusal, json};
use crate::server::ServerStats;
use crate::wire::{Method, Response};

/// Routes the one segment `word`; `report` asks the core for its numbers.
pub(super) async fn route<P: Program>(
    program: &P,
    server: &ServerStats,
    method: Method,
    word: &str,
    report: impl AsyncFnOnce() -> Option<(&'static str, Vec<(&'static str, u64)>)>,
) -> Result<Response, Refusal> {
    let allowed = match word {
        "status" | "metrics" | "health" | "ready" | "openapi.json" => Method::Get,
        "drain" => Method::Post,
        _ => return Err(Refusal::NoRoute),
    };
    if method != allowed {
        return Err(Refusal::NotAllowed(allowed.word()));
    }
    match word {
        "health" => match program.health() {
            Ok(()) => Ok(json(200, &value!({"status": "ok"}))),
            Err(detail) => Err(Refusal::Unhealthy(detail)),
        },
        "ready" => match program.ready() {
            Ok(()) => Ok(json(200, &value!({"status": "ready"}))),
            Err(detail) => Err(Refusal::NotReady(detail)),
        },
        "drain" => {
            program.drain();
            Ok(json(200, &value!({"draining": true})))
        }
        "openapi.json" => Ok(Response::with_body(200, "application/json", OPENAPI)),
        _ => {
            // The core first: what the program says may rest on what was asked of it.
            let numbers = report().await;
            let mut status = program.status();
            if let Some((core, numbers)) = numbers {
                let numbers: Map<String, Value> = numbers.into_iter().map(|(name, number)| (name.to_owned(), number.into())).collect();
                status.insert(core.into(), numbers.into());
            }
            status.insert("http".into(), server.report().into());
            if word == "status" {
                return Ok(json(200, &Value::Object(status)));
            }
            Ok(Response::with_body(200, "text/plain; version=0.0.4; charset=utf-8", metrics(&status)))
        }
    }
}

/// The numbers of a status object in the Prometheus text format.
pub(crate) fn metrics(status: &Map<String, Value>) -> String {
    let mut families = Families::default();
    let mut info = String::new();
    for (key, value) in status {
        match value {
            Value::String(text) => push_label(&mut info, key, text),
            other => families.collect(&format!("{PREFIX}_{}", name(key)), "", other),
        }
    }
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    head(&mut out, &format!("{PREFIX}_info"), "gauge");
    let _ = writeln!(out, "{PREFIX}_info{{{info}}} 1");
    for (family, samples) in families.0 {
        let parted = samples.iter().any(|sample| !sample.part.is_empty());
        head(&mut out, &family, if parted { "histogram" } else { "untyped" });
        for Sample { part, labels, number } in samples {
            let _ = if labels.is_empty() {
                writeln!(out, "{family}{part} {number}")
            } else {
                writeln!(out, "{family}{part}{{{labels}}} {number}")
            };
        }
    }
    out
}

/// Type and meaning of each metric, by its name after the prefix.
static MEANINGS: LazyLock<HashMap<&str, (&str, &str)>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        Some((cells.next()?, (cells.next()?, cells.next()?)))
    };
    include_str!("../../../docs/metrics.md").lines().filter_map(row).collect()
});

/// What a family is, for people and for Prometheus; `kind` if nothing is known of it.
fn head(out: &mut String, family: &str, kind: &str) {
    let known = family.strip_prefix(PREFIX).and_then(|name| MEANINGS.get(name.trim_start_matches('_')));
    if let Some((_, meaning)) = known {
        let _ = writeln!(out, "# HELP {family} {}", meaning.replace('\\', "\\\\"));
    }
    let _ = writeln!(out, "# TYPE {family} {}", known.map_or(kind, |(kind, _)| kind));
}

/// Samples by family name: the format wants all samples of a family in one place.
#[derive(Debug, Default)]
struct Families(BTreeMap<String, Vec<Sample>>);

#[derive(Debug)]
struct Sample {
    /// Of a histogram: which of its parts, such as `_bucket`.
    part: &'static str,
    labels: String,
    number: String,
}

impl Families {
    fn collect(&mut self, family: &str, labels: &str, value: &Value) {
        match value {
            Value::Number(number) => self.push(family, labels, number.to_string()),
            Value::Bool(flag) => self.push(family, labels, u8::from(*flag).to_string()),
            Value::Object(map) if map.contains_key("leus") => self.histogram(&format!("{family}_seconds"), labels, map),
            Value::Object(map) => {
                for (key, value) in map {
                    self.collect(&format!("{family}_{}", name(key)), labels, value);
                }
            }
            Value::Array(items) => {
                for item in items.iter().filter_map(Value::as_object) {
                    let Some((key, first)) = item.iter().next() else { continue };
                    let mut labels = labels.to_owned();
                    push_label(&mut labels, key, &first.as_str().map_or_else(|| first.to_string(), str::to_owned));
                    for (key, value) in item.iter().skip(1) {
                        self.collect(&format!("{family}_{}", name(key)), &labels, value);
                    }
                }
            }
            // Texts and nulls have no number; texts at the top are labels of the info metric.
            Value::String(_) | Value::Null => {}
        }
    }

    /// `{"leus": bounds, "counts": one for each and one beyond, "sumus"}`: cumulative here, as the format wants it.
    fn histogram(&mut self, family: &str, labels: &str, map: &Map<String, Value>) {
        let numbers = |key: &str| map.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64);
        let bounds = numbers("leus").map(|us| seconds(us).to_string()).chain(["+Inf".to_owned()]);
        let mut count = 0_u64;
        for (bound, more) in bounds.zip(numbers("counts")) {
            count = count.saturating_add(more);
            let mut labels = labels.to_owned();
            push_label(&mut labels, "le", &bound);
            self.push_part(family, "_bucket", &labels, count.to_string());
        }
        let sum = map.get("sumus").and_then(Value::as_u64).unwrap_or(0);
        self.push_part(family, "_sum", labels, seconds(sum).to_string());
        self.push_part(family, "_count", labels, count.to_string());
    }

    fn push(&mut self, family: &str, labels: &str, number: String) {
        self.push_part(family, "", labels, number);
    }

    fn push_part(&mut self, family: &str, part: &'static str, labels: &str, number: String) {
        self.0.entry(family.to_owned()).or_default().push(Sample { part, labels: labels.to_owned(), number });
    }
}

fn push_label(labels: &mut String, key: &str, text: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    let _ = write!(labels, "{}=\"", name(key));
    for c in text.chars() {
        match c {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            c => labels.push(c),
        }
    }
    labels.push('"');
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A key as a part of a metric name.
fn name(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

const PREFIX: &str = "mediaswitch";
/// The contract, made from `docs/openapi.yaml`; a test compares them.
pub(super) const OPENAPI: &str = include_str!("../../openapi.json");
