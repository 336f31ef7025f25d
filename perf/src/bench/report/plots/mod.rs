//! The plots of a report, as SVG, made from the JSON alone.
//!
//! ```text
//!   cost, throughput, memory over the channels      delay, lateness: part above so many ms      codecs: how many times as fast as scalar
//!   cost and time over the rate of calls            cost by cores                               overview: ours, bare, peers
//! ```
//! Shape:  one file per plot, named after its measurement; of loads that were tried again, those that held.
//! Units:  on the axes.
//! Errors: text of the drawing library.
//! Not here: what stands in the report; how it is drawn (`draw`).

mod draw;

use plotters::style::RGBColor;
use serde_json::Value;

use draw::{Axis, BARE, Bar, Line, OURS, PALE, PEER, bars, lines, number};

/// File name, title and SVG.
pub type Plot = (String, String, String);

/// All plots of a report.
///
/// # Errors
/// The drawing library's, as text.
pub fn all(report: &Value) -> Result<Vec<Plot>, String> {
    let mut plots = Vec::new();
    for result in report["results"].as_array().into_iter().flatten() {
        let levels = result["levels"].as_array().map(Vec::as_slice).unwrap_or_default();
        if result["host_lateness"].is_object() {
            plots.extend(media(result, levels)?);
        } else if result["held_per_second"].is_number() {
            plots.extend(rates(result, levels)?);
        } else if result["channels_per_core"].is_number() {
            plots.push(scaling(result)?);
        } else if let Some(rows) = result["rows"].as_array() {
            let title = "Codecs: how many times as fast as the scalar code".to_owned();
            let svg = bars(&title, "encode and decode of a frame together, on one core", &speeds(rows, result["peers"].as_array()))?;
            plots.push((name(result, "levels"), title, svg));
        }
    }
    Ok(plots)
}

fn name(result: &Value, kind: &str) -> String {
    let what = result["what"].as_str().unwrap_or_default();
    format!("{}-{kind}.svg", what.replace([' ', ','], "-").replace("--", "-").to_lowercase())
}

/// Of a search of channels, or of given ones.
fn media(result: &Value, levels: &[Value]) -> Result<Vec<Plot>, String> {
    let what = result["what"].as_str().unwrap_or_default();
    let mut plots = Vec::new();
    let mut add = |kind: &str, title: &str, svg: String| plots.push((name(result, kind), title.to_owned(), svg));
    let us = |level: &Value| level["cpu_us_per_packet"].as_f64();
    let cost = over(levels, "channels", us);
    let mut all = vec![
        ("mediaswitch", OURS, cost),
        ("of it in the kernel", PALE, over(levels, "channels", |level| Some(us(level)? * level["kernel_part"].as_f64()?))),
    ];
    let at = result["reference"]["channels"].as_f64();
    // Others were measured at one load.
    if let Some(point) = at.zip(result["reference"]["bare_us"]["median"].as_f64()) {
        all.push(("bare forwarder", BARE, vec![point]));
    }
    let theirs = peers(result["reference"]["peers"].as_array()).find_map(|(_, us)| us);
    if let Some(point) = at.zip(theirs) {
        all.push(("rtpengine", PEER, vec![point]));
    }
    let title = format!("{what}: CPU per packet over the load");
    add("cost", &title, fitted(&title, ["channels", "µs of CPU per packet, kernel included"], &all)?);
    let title = format!("{what}: packets a second that came back");
    let asked = |level: &Value| Some(level["channels"].as_f64()? * 1e3 / result["ptime_ms"].as_f64()?);
    let all = [
        ("asked", BARE, over(levels, "channels", asked)),
        ("came back", OURS, over(levels, "channels", |level| level["packets_per_second"].as_f64())),
    ];
    add("throughput", &title, fitted(&title, ["channels", "packets a second"], &all)?);
    let title = format!("{what}: resident memory");
    let mib = |level: &Value| Some(level["resident_bytes"].as_f64()? / f64::from(1 << 20));
    let all = [("mediaswitch", OURS, over(levels, "channels", mib))];
    add("memory", &title, fitted(&title, ["channels", "MiB"], &all)?);
    let held = levels.iter().filter(|level| level["verdict"] == "held").max_by_key(|level| level["channels"].as_u64());
    if let Some(level) = held.or(levels.last()) {
        if level["delay_us"].is_object() {
            let title = format!("{what}: delay through the switch, {} channels", level["channels"]);
            let points = shown(tail(&level["delay_histogram"]));
            let most = points.iter().map(|point| point.0).fold(1.0, f64::max);
            let (x, y) = (Axis::linear("ms", most), Axis::log("of the packets took longer", LEAST_PART, 100.0, " %"));
            add("delay", &title, lines(&title, &x, &y, &[("packets", OURS, points)])?);
        }
        let title = format!("{what}: how late slots of 1 ms began, {} channels", level["channels"]);
        add("lateness", &title, lateness(&title, level, &result["host_lateness"]["histogram"])?);
    }
    Ok(plots)
}

/// Of calls and registrations.
fn rates(result: &Value, levels: &[Value]) -> Result<Vec<Plot>, String> {
    let what = result["what"].as_str().unwrap_or_default();
    let is_calls = result["hold_ms"].is_number();
    let key = if is_calls { "cpu_us_per_call" } else { "cpu_us_each" };
    // What a call costs of which some failed says nothing.
    let us = |level: &Value| level[key].as_f64().filter(|_| level["verdict"] != "failed");
    let cost = over(levels, "per_second", us);
    let kernel = over(levels, "per_second", |level| Some(us(level)? * level["kernel_part"].as_f64()?));
    let at = result["compared_per_second"].as_f64();
    let mut all = vec![("mediaswitch", OURS, cost), ("of it in the kernel", PALE, kernel)];
    let theirs: Vec<_> = peers(result["peers"].as_array()).filter_map(|(name, us)| Some((name, at.zip(us)?))).collect();
    for (name, point) in &theirs {
        all.push((name, PEER, vec![*point]));
    }
    let title = format!("{what}: CPU over the rate");
    let mut plots = vec![(name(result, "cost"), title.clone(), fitted(&title, ["a second", "µs of CPU each, kernel included"], &all)?)];
    if is_calls {
        let title = format!("{what}: time until the callee, or control, is reached");
        let ms = |key: &'static str| over(levels, "per_second", move |level| Some(level["reached_us"][key].as_f64()? / 1e3));
        let all = [("99 of 100", PALE, ms("p99")), ("median", OURS, ms("p50"))];
        plots.push((name(result, "reached"), title.clone(), fitted(&title, ["calls a second", "ms"], &all)?));
    }
    Ok(plots)
}

fn scaling(result: &Value) -> Result<Plot, String> {
    let title = "CPU per packet on one media core and on two".to_owned();
    let bar = |words: &str, key: &str| {
        let us = |of: &str| result[key][of].as_f64().unwrap_or(0.0);
        let told = format!("{} µs ({} to {})", number(us("median")), number(us("least")), number(us("most")));
        (words.to_owned(), us("median"), told, OURS)
    };
    let rows = vec![bar("one core", "one_core_us"), bar("two cores", "two_cores_us")];
    let words = format!("{} channels a core, kernel included; median (least to most)", result["channels_per_core"]);
    Ok((name(result, "cost"), title.clone(), bars(&title, &words, &[("relay".to_owned(), rows)])?))
}

/// For each codec each level beside the scalar one, and spandsp, where it was measured beside the best.
fn speeds(rows: &[Value], theirs: Option<&Vec<Value>>) -> Vec<(String, Vec<Bar>)> {
    let ns = |row: &Value| Some(row["encode_ns"]["median"].as_f64()? + row["decode_ns"]["median"].as_f64()?);
    let mut codecs: Vec<&str> = rows.iter().filter_map(|row| row["codec"].as_str()).collect();
    codecs.sort_unstable();
    codecs.dedup();
    let group = |codec: &str| {
        let of = || rows.iter().filter(move |row| row["codec"] == codec);
        let scalar = of().find(|row| row["level"] == "scalar").and_then(ns);
        let one = scalar.or_else(|| of().filter_map(ns).reduce(f64::max))?;
        let told = |ns: f64| format!("{}   ({} ns)", number(one / ns), number(ns.round()));
        let mut bars: Vec<Bar> = Vec::new();
        for row in of() {
            let colour = if row["level"] == "scalar" { PALE } else { OURS };
            bars.extend(ns(row).map(|ns| (row["level"].as_str().unwrap_or_default().to_owned(), one / ns, told(ns), colour)));
        }
        let their = |way: &str| {
            let named = peers(theirs).find(|(name, _)| name.starts_with(&format!("spandsp, {codec} {way}")));
            named.and_then(|(_, us)| us).map(|us| us * 1e3)
        };
        let spandsp = their("encode").zip(their("decode")).map(|(encode, decode)| encode + decode);
        bars.extend(spandsp.map(|ns| ("spandsp".to_owned(), one / ns, told(ns), PEER)));
        Some((codec.to_owned(), bars))
    };
    codecs.into_iter().filter_map(group).collect()
}

/// Names of peers, and their medians where there is one.
fn peers(all: Option<&Vec<Value>>) -> impl Iterator<Item = (String, Option<f64>)> {
    let all = all.into_iter().flatten();
    all.map(|peer| (peer["name"].as_str().unwrap_or_default().to_owned(), peer["theirs_us"]["median"].as_f64()))
}

/// Points over `x`, from the left; what has no value is left out. Of several at one place that which held counts, else the lowest.
fn over(levels: &[Value], x: &str, y: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, bool, f64)> =
        levels.iter().filter_map(|level| Some((level[x].as_f64()?, level["verdict"] != "held", y(level)?))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)));
    points.dedup_by(|next, kept| next.0 == kept.0);
    points.into_iter().map(|(x, _, y)| (x, y)).collect()
}

/// Lines with axes from nothing to a little more than the largest.
fn fitted(title: &str, [x, y]: [&str; 2], all: &[Line<'_>]) -> Result<String, String> {
    let points = || all.iter().flat_map(|(_, _, points)| points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let least = points().map(|point| point.0).filter(|x| *x > 0.0).fold(f64::MAX, f64::min);
    let most_x = most(|point| point.0);
    // A search doubles: its points stand evenly on an axis of tens.
    let x = if most_x > least * WIDE { Axis::log(x, least / 1.2, most_x * 1.2, "") } else { Axis::linear(x, most_x) };
    lines(title, &x, &Axis::linear(y, most(|point| point.1)), all)
}

/// From so many times the least on, the axis is one of tens.
const WIDE: f64 = 12.0;

/// Part of the slots that began later: the idle thread, the load, and the switch.
fn lateness(title: &str, level: &Value, host: &Value) -> Result<String, String> {
    let line = |histogram: &Value| shown(tail(histogram)).into_iter().map(|(ms, part)| (ms.max(LEAST_MS), part)).collect();
    let all: [Line<'_>; 3] = [
        ("an idle thread of this host", BARE, line(host)),
        ("load generator", PEER, line(&level["generator"]["lag_histogram"])),
        ("mediaswitch", OURS, line(&level["slots"]["late_histogram"])),
    ];
    let most = all.iter().flat_map(|(_, _, points)| points).map(|point| point.0).fold(10.0, f64::max);
    let (x, y) = (Axis::log("", LEAST_MS, most * 1.1, " ms"), Axis::log("of the slots began later than", LEAST_PART, 100.0, " %"));
    lines(title, &x, &y, &all)
}

/// The lowest part that a plot of times shows, in percent.
const LEAST_PART: f64 = 0.01;
/// And the shortest time.
const LEAST_MS: f64 = 0.01;

/// Percent of the values above each place of a histogram, in milliseconds; a last place without a bound is above all of them.
fn tail(histogram: &Value) -> Vec<(f64, f64)> {
    let places: Vec<(Option<f64>, f64)> = histogram
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|place| Some((place.get(0)?.as_f64().map(|us| us / 1e3), place.get(1)?.as_f64()?)))
        .collect();
    let all: f64 = places.iter().map(|place| place.1).sum();
    let mut left = all;
    let mut points = vec![(0.0, 100.0)];
    for (ms, count) in &places {
        left -= count;
        points.extend(ms.map(|ms| (ms, 100.0 * left / all.max(1.0))));
    }
    points
}

/// Down to the lowest part that is shown, and one beyond, on the edge.
fn shown(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let below = points.iter().position(|point| point.1 < LEAST_PART).map_or(points.len(), |n| n + 1);
    points.into_iter().take(below).map(|(ms, part)| (ms, part.max(LEAST_PART))).collect()
}

/// CPU per packet of ours and of others, a group for each measurement of media.
pub fn overview(groups: &[(String, [Option<f64>; 3])]) -> Result<String, String> {
    let series: [(&str, RGBColor); 3] = [("mediaswitch", OURS), ("bare forwarder", BARE), ("rtpengine", PEER)];
    let groups: Vec<(String, Vec<Bar>)> = groups
        .iter()
        .map(|(what, values)| {
            let bar = |((name, colour), us): ((&str, RGBColor), &Option<f64>)| {
                us.map(|us| (name.to_owned(), us, format!("{} µs", number(us)), colour))
            };
            (what.clone(), series.into_iter().zip(values).filter_map(bar).collect())
        })
        .collect();
    bars("CPU per packet", "µs, kernel included; a bare forwarder looks at nothing and transcodes nothing", &groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_loads_that_were_tried_again_the_one_that_held_is_shown() {
        let level = |channels: u64, verdict: &str, us: f64| json!({ "channels": channels, "verdict": verdict, "us": us });
        let levels = [level(200, "host", 9.0), level(100, "host", 8.0), level(200, "held", 10.0), level(100, "failed", 7.0)];
        assert_eq!(over(&levels, "channels", |level| level["us"].as_f64()), [(100.0, 7.0), (200.0, 10.0)]);
    }

    #[test]
    fn a_tail_counts_what_is_beyond_the_last_bound() {
        let points = tail(&json!([[100, 90], [1000, 9], [null, 1]]));
        assert_eq!(points, [(0.0, 100.0), (0.1, 10.0), (1.0, 1.0)]);
        assert_eq!(shown(vec![(0.0, 100.0), (1.0, 0.001), (2.0, 0.0)]), [(0.0, 100.0), (1.0, LEAST_PART)]);
    }

    #[test]
    fn codecs_stand_beside_their_scalar_code_and_spandsp() {
        let row =
            |level: &str, ns: f64| json!({ "level": level, "codec": "g722", "encode_ns": { "median": ns }, "decode_ns": { "median": ns } });
        let theirs =
            ["encode", "decode"].map(|way| json!({ "name": format!("spandsp, g722 {way}, a frame"), "theirs_us": { "median": 0.02 } }));
        let groups = speeds(&[row("avx2", 1.0), row("scalar", 16.0)], Some(&theirs.to_vec()));
        let told: Vec<_> = groups[0].1.iter().map(|bar| (bar.0.as_str(), bar.1)).collect();
        assert_eq!(told, [("avx2", 16.0), ("scalar", 1.0), ("spandsp", 0.8)]);
    }
}
