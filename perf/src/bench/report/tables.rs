//! The tables of the documentation: one line a measurement, from the reports of many.
//!
//! ```text
//!   reports ─┬▶ [packets] · [kernels] · [signalling] · [cores]          docs/performance.md
//!            ├▶ [short]: media, calls, registrations                    README.md
//!            └▶ [overview]: bars
//! ```
//! Shape:  Markdown; what a report does not have is `-`.
//! Units:  in the heads.
//! Errors: none.
//! Rule:   "at least" wherever the report has no capacity.

use serde_json::Value;

use super::markdown::{line, text};

/// A report and the name of its directory.
pub type Named = (String, Value);

/// Ours, the bare forwarder and rtpengine, for each codec pair.
pub fn overview(reports: &[Named]) -> Vec<(String, [Option<f64>; 3])> {
    let values = |result: &Value| {
        let reference = &result["reference"];
        let peer = reference["peers"].as_array().and_then(|peers| peers.first());
        let all = [&reference["ours_us"], &reference["bare_us"], peer.map_or(&Value::Null, |peer| &peer["theirs_us"])];
        all.map(|of| of["median"].as_f64())
    };
    media(reports).map(|(what, result)| (what, values(result))).collect()
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
    let mut out = String::from("| | carried | µs of CPU each | over a bare forwarder | others over ours |\n|---|---|---|---|---|\n");
    for (what, result) in media(reports) {
        let (reference, ratio) = (&result["reference"], |value: &Value| short_number(&value["median"]));
        line(
            &mut out,
            &format!(
                "| {what} | {} | {} a packet | {} | {} |",
                carried(&result["capacity_channels"], &result["held_channels"], " channels"),
                ratio(&reference["ours_us"]),
                ratio(&reference["ratio"]),
                named("rtpengine", result)
            ),
        );
    }
    for (what, result, key, unit) in rates(reports) {
        let level = best(result);
        line(
            &mut out,
            &format!(
                "| {what} | {} | {} {unit} | | {} |",
                carried(&result[key], &result["held_per_second"], " a second"),
                level.map_or_else(|| "-".to_owned(), |level| short_number(&level[cost_of(result)])),
                named("Kamailio", result)
            ),
        );
    }
    out
}

/// A peer and its ratio; nothing where it was not measured.
fn named(name: &str, result: &Value) -> String {
    let ratio = peer(result, &name.to_lowercase());
    if ratio == "-" { String::new() } else { format!("{name} {ratio}") }
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

/// Packets: what was carried, and what one costs beside others.
pub fn packets(reports: &[Named]) -> String {
    let mut out = String::new();
    if media(reports).next().is_none() {
        return out;
    }
    line(
        &mut out,
        "| | channels | KiB each | µs a packet, at so many channels | over the bare forwarder | over it and the codec loop | rtpengine over ours |\n|---|---|---|---|---|---|---|",
    );
    for (what, result) in media(reports) {
        let reference = &result["reference"];
        let with_codec = &reference["ratio_with_codec"];
        let kib = best(result).and_then(|level| level["bytes_per_channel"].as_f64()).map(|bytes| format!("{:.1}", bytes / 1024.0));
        line(
            &mut out,
            &format!(
                "| {what} | {} | {} | {}, at {} | {} | {} | {} |",
                carried(&result["capacity_channels"], &result["held_channels"], ""),
                kib.unwrap_or_else(|| "-".to_owned()),
                spread(&reference["ours_us"]),
                text(&reference["channels"]),
                spread(&reference["ratio"]),
                if with_codec.is_object() { spread(with_codec) } else { "-".to_owned() },
                peer(result, "rtpengine")
            ),
        );
    }
    out.push('\n');
    for (what, result) in media(reports) {
        line(&mut out, &format!("- {what}: no more, since {}", text(&result["ended"])));
        for note in result["reference"]["peers"].as_array().into_iter().flatten().filter_map(|peer| peer["note"].as_str()) {
            if !note.is_empty() {
                line(&mut out, &format!("- {what}: {note}"));
            }
        }
    }
    out
}

/// One core and two.
pub fn cores(reports: &[Named]) -> String {
    let mut out = String::new();
    for result in reports.iter().flat_map(|(_, report)| results(report)).filter(|result| result["channels_per_core"].is_number()) {
        let (ratio, shape) = (spread(&result["ratio"]), text(&result["shape"]));
        line(&mut out, &format!("A packet on two media cores costs **{ratio}** of what it does on one ({shape}; 1 is linear)."));
    }
    out
}

/// Codecs without packets.
pub fn kernels(reports: &[Named]) -> String {
    let mut out = String::new();
    for result in reports.iter().flat_map(|(_, report)| results(report)).filter(|result| result["rows"].is_array()) {
        codecs(&mut out, result);
    }
    out
}

/// Registrations, calls, HTTP.
pub fn signalling(reports: &[Named]) -> String {
    let mut out = String::new();
    let mut ends = String::new();
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
                "| {what} | {} | {} | {p99} | {theirs} |",
                carried(&result[key], &result["held_per_second"], ""),
                short_number(&level[cost_of(result)])
            ),
        );
        line(&mut ends, &format!("- {what}: no more, since {}", text(&result["ended"])));
    }
    for result in reports.iter().flat_map(|(_, report)| results(report)) {
        for (rate, cost) in [("requests_per_second", "cpu_us_per_request"), ("channels_per_second", "cpu_us_per_channel")] {
            if let Some(rate) = result[rate].as_f64() {
                let bound = if result["generator_was_limit"] == true { "at least " } else { "" };
                let p99 = result["delay_us"]["p99"].as_f64().unwrap_or(0.0) / 1e3;
                let what = text(&result["what"]);
                line(&mut out, &format!("| {what} | {bound}{rate:.0} | {} | {p99:.1} | - |", short_number(&result[cost])));
            }
        }
    }
    if out.is_empty() {
        return out;
    }
    let head = "| | a second | µs of CPU each, at the highest that held | 99 of 100 within ms | theirs over ours |\n|---|---|---|---|---|";
    format!("{head}\n{out}\n{ends}")
}

/// Each codec at its best level, beside the scalar one and spandsp.
fn codecs(out: &mut String, result: &Value) {
    line(
        out,
        "| codec, frame of 20 ms | best level | encode, decode ns | channels a core | over scalar | spandsp over ours: encode, decode |\n|---|---|---|---|---|---|",
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
