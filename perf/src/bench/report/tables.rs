//! The tables of the documentation: one line a measurement, from the reports of many.
//!
//! ```text
//!   reports ─┬▶ [all]: media · over the channels · scaling · codecs · calls, registrations, HTTP          docs/performance.md
//!            ├▶ [short]: media, calls, registrations                                                       README.md
//!            └▶ [overview]: bars
//! ```
//! Shape:  Markdown; what a report does not have is `-`.
//! Units:  in the heads.
//! Errors: none.
//! Rule:   "at least" wherever the report has no capacity.

use serde_json::Value;

use super::markdown::{line, percent, text};
use super::plots;

/// A report and the name of its directory.
pub type Named = (String, Value);

/// Ours, the bare forwarder and rtpengine, for each codec pair.
pub fn overview(reports: &[Named]) -> Vec<plots::Bar> {
    let mut bars = Vec::new();
    for (what, result) in media(reports) {
        let reference = &result["reference"];
        let mut bar = |who: &str, value: &Value, is_ours: bool| {
            bars.extend(value["median"].as_f64().map(|us| (format!("{what}: {who}"), us, is_ours)));
        };
        bar("mediaswitch", &reference["ours_us"], true);
        bar("bare forwarder", &reference["bare_us"], false);
        let peer = reference["peers"].as_array().and_then(|peers| peers.first());
        bar("rtpengine", peer.map_or(&Value::Null, |peer| &peer["theirs_us"]), false);
    }
    bars
}

/// Results of the searches of media, with their names.
fn media(reports: &[Named]) -> impl Iterator<Item = (String, &Value)> {
    let results = reports.iter().filter(|(name, _)| name != "relay-channels").flat_map(|(_, report)| results(report));
    results.filter(|result| result["reference"].is_object()).map(|result| (text(&result["what"]), result))
}

/// What a report measured.
pub fn results(report: &Value) -> impl Iterator<Item = &Value> {
    report["results"].as_array().into_iter().flatten()
}

/// The table of the README.
pub fn short(reports: &[Named]) -> String {
    let mut out = String::from("| | carried | µs of CPU each | over a bare forwarder | rtpengine over ours |\n|---|---|---|---|---|\n");
    for (what, result) in media(reports) {
        let (reference, ratio) = (&result["reference"], |value: &Value| short_number(&value["median"]));
        line(
            &mut out,
            &format!(
                "| {what} | {} | {} a packet | {} | {} |",
                carried(&result["capacity_channels"], &result["held_channels"], " channels"),
                ratio(&reference["ours_us"]),
                ratio(&reference["ratio"]),
                peer(result, "rtpengine")
            ),
        );
    }
    for (what, result, key, unit) in rates(reports) {
        let level = best(result);
        line(
            &mut out,
            &format!(
                "| {what} | {} | {} {unit} | | |",
                carried(&result[key], &result["held_per_second"], " a second"),
                level.map_or_else(|| "-".to_owned(), |level| short_number(&level[cost_of(result)]))
            ),
        );
    }
    out
}

/// Registrations and calls: name, result, key of the capacity, and what one costs.
fn rates(reports: &[Named]) -> impl Iterator<Item = (String, &Value, &'static str, &'static str)> {
    let all = reports.iter().flat_map(|(_, report)| results(report)).filter(|result| result["held_per_second"].is_number());
    all.map(|result| {
        let is_calls = result["hold_ms"].is_number();
        let (key, unit) = if is_calls { ("calls_per_second", "a call") } else { ("capacity_per_second", "each") };
        (text(&result["what"]), result, key, unit)
    })
}

fn cost_of(result: &Value) -> &'static str {
    if result["hold_ms"].is_number() { "cpu_us_per_call" } else { "cpu_us_each" }
}

/// The highest level that held.
fn best(result: &Value) -> Option<&Value> {
    let levels = result["levels"].as_array().into_iter().flatten().filter(|level| level["verdict"] == "held");
    levels.max_by_key(|level| level["channels"].as_u64().or(level["per_second"].as_u64()))
}

/// `**1200** channels`, `at least 960 channels`, or that none held.
fn carried(capacity: &Value, held: &Value, unit: &str) -> String {
    match (capacity.as_u64(), held.as_u64()) {
        (Some(capacity), _) => format!("**{capacity}**{unit}"),
        (None, Some(held)) if held > 0 => format!("at least {held}{unit}"),
        (None, _) => "no load held".to_owned(),
    }
}

/// To three digits, none of them of a fraction from 100 on.
fn short_number(value: &Value) -> String {
    match value.as_f64() {
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
        None => "-".to_owned(),
    }
}

/// Median, least and most, so.
fn spread(value: &Value) -> String {
    let [median, least, most] = ["median", "least", "most"].map(|key| short_number(&value[key]));
    format!("{median} ({least} to {most})")
}

/// Ratio of the peer whose name begins so.
fn peer(result: &Value, name: &str) -> String {
    let peers = result["peers"].as_array().or_else(|| result["reference"]["peers"].as_array()).into_iter().flatten();
    let ratio =
        peers.filter(|peer| peer["ratio"].is_object()).find(|peer| peer["name"].as_str().is_some_and(|known| known.starts_with(name)));
    ratio.map_or_else(|| "-".to_owned(), |peer| spread(&peer["ratio"]))
}

/// All tables.
pub fn all(reports: &[Named]) -> String {
    let mut out = String::new();
    line(
        &mut out,
        "| | channels | why not more | at | µs a packet: ours | bare forwarder | ours over it | over it and the codec loop | rtpengine over ours |\n|---|---|---|---|---|---|---|---|---|",
    );
    for (what, result) in media(reports) {
        let reference = &result["reference"];
        let with_codec = &reference["ratio_with_codec"];
        line(
            &mut out,
            &format!(
                "| {what} | {} | {} | {} | {} | {} | {} | {} | {} |",
                carried(&result["capacity_channels"], &result["held_channels"], ""),
                text(&result["ended"]),
                text(&reference["channels"]),
                spread(&reference["ours_us"]),
                spread(&reference["bare_us"]),
                spread(&reference["ratio"]),
                if with_codec.is_object() { spread(with_codec) } else { "-".to_owned() },
                peer(result, "rtpengine")
            ),
        );
    }
    for (what, result) in media(reports) {
        for note in result["reference"]["peers"].as_array().into_iter().flatten().filter_map(|peer| peer["note"].as_str()) {
            if !note.is_empty() {
                line(&mut out, &format!("\n{what}: {note}"));
            }
        }
    }
    for result in reports.iter().filter(|(name, _)| name == "relay-channels").flat_map(|(_, report)| results(report)) {
        line(&mut out, &format!("\nThe same over the number of channels, {}:\n", text(&result["what"])));
        line(
            &mut out,
            "| channels | packets a second | µs a packet | kernel | core | delay p50, p99 ms | KiB a channel | verdict |\n|---|---|---|---|---|---|---|---|",
        );
        for level in result["levels"].as_array().into_iter().flatten() {
            let ms = |key: &str| level["delay_us"][key].as_f64().map_or_else(|| "-".to_owned(), |us| format!("{:.1}", us / 1e3));
            let kib = level["bytes_per_channel"].as_f64().unwrap_or(0.0) / 1024.0;
            let told = format!(
                "{} | {} | {}",
                text(&level["channels"]),
                text(&level["packets_per_second"]),
                short_number(&level["cpu_us_per_packet"])
            );
            let (kernel, core, why) = (percent(&level["kernel_part"]), percent(&level["core"]), level["why"].as_str().unwrap_or_default());
            let verdict = match level["verdict"].as_str() {
                Some("generator") => format!("none, the load generator was the limit: {why}"),
                Some("host") => format!("none, the host stalled it: {why}"),
                word => format!("{} {why}", word.unwrap_or("-")),
            };
            line(&mut out, &format!("| {told} | {kernel} | {core} | {}, {} | {kib:.1} | {} |", ms("p50"), ms("p99"), verdict.trim()));
        }
    }
    for result in reports.iter().flat_map(|(_, report)| results(report)) {
        if result["channels_per_core"].is_number() {
            let (ratio, shape) = (spread(&result["ratio"]), text(&result["shape"]));
            line(
                &mut out,
                &format!("\nScaling: a packet on two media cores costs **{ratio}** of what it does on one ({shape}; 1 is linear)."),
            );
        } else if result["rows"].is_array() {
            codecs(&mut out, result);
        }
    }
    line(
        &mut out,
        "\n| | a second | why not more | µs of CPU each, at the highest that held | 99 of 100 within ms | theirs over ours |\n|---|---|---|---|---|---|",
    );
    for (what, result, key, _) in rates(reports) {
        let level = best(result).unwrap_or(&Value::Null);
        let p99 = level["reached_us"]["p99"]
            .as_f64()
            .or(level["delay_us"]["p99"].as_f64())
            .map_or_else(|| "-".to_owned(), |us| format!("{:.1}", us / 1e3));
        let theirs = peer(result, "kamailio");
        let theirs = if theirs == "-" { theirs } else { format!("Kamailio {theirs}") };
        line(
            &mut out,
            &format!(
                "| {what} | {} | {} | {} | {p99} | {theirs} |",
                carried(&result[key], &result["held_per_second"], ""),
                text(&result["ended"]),
                short_number(&level[cost_of(result)])
            ),
        );
    }
    for result in reports.iter().flat_map(|(_, report)| results(report)) {
        for (rate, cost) in [("requests_per_second", "cpu_us_per_request"), ("channels_per_second", "cpu_us_per_channel")] {
            if let Some(rate) = result[rate].as_f64() {
                let bound = if result["generator_was_limit"] == true { "at least " } else { "" };
                let p99 = result["delay_us"]["p99"].as_f64().unwrap_or(0.0) / 1e3;
                line(
                    &mut out,
                    &format!(
                        "| {} | {bound}{rate:.0} | closed loop, 16 connections | {} | {p99:.1} | - |",
                        text(&result["what"]),
                        short_number(&result[cost])
                    ),
                );
            }
        }
    }
    out
}

/// Each codec at its best level, beside the scalar one and spandsp.
fn codecs(out: &mut String, result: &Value) {
    line(
        out,
        "\n| codec, frame of 20 ms | best level | encode, decode ns | channels a core | over scalar | spandsp over ours: encode, decode |\n|---|---|---|---|---|---|",
    );
    let rows = || result["rows"].as_array().into_iter().flatten();
    let mut done: Vec<&str> = Vec::new();
    for codec in rows().filter_map(|row| row["codec"].as_str()) {
        if done.contains(&codec) {
            continue;
        }
        done.push(codec);
        let of = || rows().filter(move |row| row["codec"] == codec);
        let channels = |row: &Value| row["channels_per_core"].as_f64().unwrap_or(0.0);
        let Some(best) = of().max_by(|a, b| channels(a).total_cmp(&channels(b))) else { continue };
        let scalar = of()
            .find(|row| row["level"] == "scalar")
            .map_or_else(|| "-".to_owned(), |row| format!("{:.1}", channels(best) / channels(row).max(1.0)));
        let ns = |key: &str| best[key]["median"].as_f64().map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}"));
        let theirs = ["encode", "decode"].map(|way| peer(result, &format!("spandsp, {codec} {way}"))).join(", ");
        line(
            out,
            &format!(
                "| {codec} | {} | {}, {} | {:.0} | {scalar} | {theirs} |",
                text(&best["level"]),
                ns("encode_ns"),
                ns("decode_ns"),
                channels(best)
            ),
        );
    }
}
