//! The plots of a report, as SVG, made from the JSON alone.
//!
//! ```text
//!   cost, throughput, memory over the channels      delay, lateness: part above so many ms      codecs: ns per frame by level
//!   cost and time over the rate of calls            cost over the cores                         overview: ours, bare, peers
//! ```
//! Shape:  one file per plot, named after its measurement; 760 by 420 points.
//! Units:  on the axes.
//! Errors: text of the drawing library.
//! Not here: what stands in the report.

use std::ops::Range;

use plotters::prelude::*;
use serde_json::Value;

const SIZE: (u32, u32) = (760, 420);
const FONT: (&str, u32) = ("sans-serif", 14);
const OURS: RGBColor = RGBColor(20, 90, 160);
const OTHER: RGBColor = RGBColor(190, 90, 20);
const KERNEL: RGBColor = RGBColor(110, 160, 60);

/// File name, title and SVG of each plot.
///
/// # Errors
/// The drawing library's, as text.
pub fn all(report: &Value) -> Result<Vec<(String, String, String)>, String> {
    let mut plots = Vec::new();
    for result in report["results"].as_array().into_iter().flatten() {
        let what = result["what"].as_str().unwrap_or_default();
        let name = |kind: &str| format!("{}-{kind}.svg", what.replace([' ', ','], "-").replace("--", "-").to_lowercase());
        if let Some(levels) = result["levels"].as_array().filter(|_| result["reference"].is_object()) {
            let title = format!("{what}: CPU per packet over the load");
            let svg = cost(&title, levels, result["reference"]["bare_us"]["median"].as_f64())?;
            plots.push((name("cost"), title, svg));
            let title = format!("{what}: packets a second that came back");
            let asked = |level: &Value| Some(level["channels"].as_f64()? * 1e3 / result["ptime_ms"].as_f64()?);
            let lines = [
                ("asked", OTHER, over(levels, "channels", asked)),
                ("came back", OURS, over(levels, "channels", |level| level["packets_per_second"].as_f64())),
            ];
            plots.push((name("throughput"), title.clone(), fitted(&title, ["channels", "packets a second"], &lines)?));
            let title = format!("{what}: resident memory");
            let lines = [("switch", OURS, over(levels, "channels", |level| Some(level["resident_bytes"].as_f64()? / f64::from(1 << 20))))];
            plots.push((name("memory"), title.clone(), fitted(&title, ["channels", "MiB"], &lines)?));
            let held = levels.iter().filter(|level| level["verdict"] == "held").max_by_key(|level| level["channels"].as_u64());
            if let Some(level) = held.filter(|level| level["delay_us"].is_object()) {
                let title = format!("{what}: delay through the switch at {} channels", level["channels"]);
                let svg = delay(&title, &level["delay_histogram"])?;
                plots.push((name("delay"), title, svg));
            }
            if let Some(level) = held {
                let title = format!("{what}: how late slots of 1 ms began, at {} channels", level["channels"]);
                let svg = lateness(&title, level, &result["host_lateness"]["histogram"])?;
                plots.push((name("lateness"), title, svg));
            }
        }
        if let Some(levels) = result["levels"].as_array().filter(|_| result["held_per_second"].is_number()) {
            let cost = if result["hold_ms"].is_number() { "cpu_us_per_call" } else { "cpu_us_each" };
            let title = format!("{what}: CPU over the rate");
            let us = |level: &Value| level[cost].as_f64();
            let lines = [
                ("switch", OURS, over(levels, "per_second", us)),
                ("of it in the kernel", KERNEL, over(levels, "per_second", |level| Some(us(level)? * level["kernel_part"].as_f64()?))),
            ];
            plots.push((name("cost"), title.clone(), fitted(&title, ["a second", "µs of CPU each"], &lines)?));
            if result["hold_ms"].is_number() {
                let title = format!("{what}: time until the callee, or control, is reached");
                let us = |key: &'static str| over(levels, "per_second", move |level| level["reached_us"][key].as_f64());
                let lines = [("p99", OTHER, us("p99")), ("p50", OURS, us("p50"))];
                plots.push((name("reached"), title.clone(), fitted(&title, ["a second", "µs"], &lines)?));
            }
        }
        if result["channels_per_core"].is_number() {
            let title = "CPU per packet over the number of media cores".to_owned();
            let us = |key: &str| result[key]["median"].as_f64().unwrap_or(0.0);
            let points = vec![(1.0, us("one_core_us")), (2.0, us("two_cores_us"))];
            let most = points.iter().map(|point| point.1).fold(1.0, f64::max);
            let lines = [("switch", OURS, points)];
            let svg = chart(&title, ["media cores", "µs of CPU per packet, kernel included"], [0.0..3.0, 0.0..most * 1.2], &lines)?;
            plots.push((name("cost"), title, svg));
        }
        if let Some(rows) = result["rows"].as_array() {
            let title = "ns per frame of 20 ms, encode and decode, by SIMD level".to_owned();
            let svg = codecs(&title, rows)?;
            plots.push((name("levels"), title, svg));
        }
    }
    Ok(plots)
}

/// Name, colour and points.
type Line<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// A line chart with its axes.
fn chart(title: &str, names: [&str; 2], ranges: [Range<f64>; 2], lines: &[Line<'_>]) -> Result<String, String> {
    chart_of(title, names, ranges, lines, &|value: &f64| format!("{}", (value * 100.0).round() / 100.0))
}

/// The same with words for the values of the upright axis.
fn chart_of(
    title: &str,
    [x_name, y_name]: [&str; 2],
    [x, y]: [Range<f64>; 2],
    lines: &[Line<'_>],
    label: &dyn Fn(&f64) -> String,
) -> Result<String, String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let text = |error: DrawingAreaErrorKind<_>| error.to_string();
        area.fill(&WHITE).map_err(text)?;
        let mut builder = ChartBuilder::on(&area);
        builder.caption(title, FONT).margin(12).x_label_area_size(40).y_label_area_size(68);
        let mut chart = builder.build_cartesian_2d(x, y).map_err(text)?;
        chart.configure_mesh().x_desc(x_name).y_desc(y_name).y_label_formatter(label).light_line_style(WHITE).draw().map_err(text)?;
        for (name, colour, points) in lines {
            let colour = *colour;
            let series = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
            chart.draw_series(series).map_err(text)?.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
        chart.configure_series_labels().border_style(BLACK.mix(0.3)).background_style(WHITE).draw().map_err(text)?;
        area.present().map_err(text)?;
    }
    Ok(svg)
}

/// Points over `x`, from the left; what has no value is left out.
fn over(levels: &[Value], x: &str, y: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = levels.iter().filter_map(|level| Some((level[x].as_f64()?, y(level)?))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// Lines with axes from nothing to a little more than the largest.
fn fitted(title: &str, names: [&str; 2], lines: &[Line<'_>]) -> Result<String, String> {
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let most = |of: fn(&(f64, f64)) -> f64| all().map(of).fold(1.0, f64::max);
    chart(title, names, [0.0..most(|point| point.0) * 1.05, 0.0..most(|point| point.1) * 1.15], lines)
}

fn cost(title: &str, levels: &[Value], bare: Option<f64>) -> Result<String, String> {
    let us = |level: &Value| level["cpu_us_per_packet"].as_f64();
    let points = over(levels, "channels", us);
    let most_x = points.iter().map(|point| point.0).fold(1.0, f64::max);
    let mut lines = vec![
        ("switch", OURS, points),
        ("of it in the kernel", KERNEL, over(levels, "channels", |level| Some(us(level)? * level["kernel_part"].as_f64()?))),
    ];
    if let Some(bare) = bare {
        lines.push(("bare forwarder, at one load", OTHER, vec![(0.0, bare), (most_x, bare)]));
    }
    fitted(title, ["channels", "µs of CPU per packet"], &lines)
}

/// Part of the slots that began later: the idle thread, the load, and of the switch the two points that it tells.
fn lateness(title: &str, level: &Value, host: &Value) -> Result<String, String> {
    let slots = &level["slots"];
    let part = 100.0 * slots["late"].as_f64().unwrap_or(0.0) / slots["count"].as_f64().unwrap_or(1.0).max(1.0);
    let mut ours: Vec<(f64, f64)> = vec![(slots["late_p99_us"].as_f64().unwrap_or(0.0) / 1e3, 1.0), (1.0, part)];
    ours.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lines = [
        ("idle thread of this host", OTHER, tail(host)),
        ("load generator", KERNEL, tail(&level["generator"]["lag_histogram"])),
        ("switch (p99, and over 1 ms)", OURS, ours),
    ];
    // On an axis of tens, where nothing is below the lowest line.
    let lines = lines
        .map(|(name, colour, points)| (name, colour, points.into_iter().map(|(x, y)| (x, y.max(LEAST_PART).log10())).collect::<Vec<_>>()));
    let most = lines.iter().flat_map(|(_, _, points)| points).map(|point| point.0).fold(1.0, f64::max);
    let percent = |tens: &f64| format!("{} %", (10_f64.powf(*tens) * 1000.0).round() / 1000.0);
    chart_of(title, ["ms", "of the slots began later"], [0.0..most * 1.05, LEAST_PART.log10()..2.0], &lines, &percent)
}

/// The lowest part that a plot of lateness shows, in percent.
const LEAST_PART: f64 = 0.01;

/// Percent of the values above each place of a histogram, in milliseconds.
fn tail(histogram: &Value) -> Vec<(f64, f64)> {
    let places: Vec<(f64, f64)> = histogram
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|place| Some((place.get(0)?.as_f64()? / 1e3, place.get(1)?.as_f64()?)))
        .collect();
    let all: f64 = places.iter().map(|place| place.1).sum();
    let mut left = all;
    let mut points = vec![(0.0, 100.0)];
    for (ms, count) in &places {
        left -= count;
        points.push((*ms, 100.0 * left / all.max(1.0)));
    }
    points
}

/// Part of the packets that took longer, in percent.
fn delay(title: &str, histogram: &Value) -> Result<String, String> {
    let points = tail(histogram);
    let most = points.last().map_or(1.0, |point| point.0).max(0.1);
    chart(title, ["ms", "% of the packets took longer"], [0.0..most * 1.05, 0.0..105.0], &[("packets", OURS, points)])
}

/// Bars: encode and decode beside each other, a group for each level and codec.
fn codecs(title: &str, rows: &[Value]) -> Result<String, String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (SIZE.0, 60 + 34 * u32::try_from(rows.len()).unwrap_or(0))).into_drawing_area();
        let text = |error: DrawingAreaErrorKind<_>| error.to_string();
        area.fill(&WHITE).map_err(text)?;
        let value = |row: &Value, key: &str| row[key]["median"].as_f64().unwrap_or(0.0).max(1.0);
        let most = rows.iter().flat_map(|row| [value(row, "encode_ns"), value(row, "decode_ns")]).fold(10.0, f64::max);
        area.draw(&Text::new(title.to_owned(), (12, 10), FONT)).map_err(text)?;
        for (n, row) in rows.iter().enumerate() {
            let top = 40 + 34 * i32::try_from(n).unwrap_or(0);
            let label = format!("{} {}", row["codec"].as_str().unwrap_or_default(), row["level"].as_str().unwrap_or_default());
            area.draw(&Text::new(label, (12, top + 6), FONT)).map_err(text)?;
            for (at, key, colour) in [(top, "encode_ns", OURS), (top + 14, "decode_ns", OTHER)] {
                let ns = value(row, key);
                // The scale is logarithmic: from 1 ns to the slowest.
                let length = (ns.ln() / most.ln() * 430.0) as i32;
                area.draw(&Rectangle::new([(150, at), (150 + length, at + 12)], colour.filled())).map_err(text)?;
                area.draw(&Text::new(format!("{ns:.0} ns {}", &key[..6]), (156 + length, at), ("sans-serif", 11))).map_err(text)?;
            }
        }
        area.present().map_err(text)?;
    }
    Ok(svg)
}

/// A bar: its words, microseconds, and whether it is ours.
pub type Bar = (String, f64, bool);

/// Bars under each other, ours and others' in their colours.
///
/// # Errors
/// The drawing library's, as text.
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> Result<String, String> {
    const ROW: i32 = 22;
    let mut svg = String::new();
    {
        let rows = i32::try_from(bars.len()).unwrap_or(0);
        let height = u32::try_from(52 + ROW * rows).unwrap_or(52);
        let area = SVGBackend::with_string(&mut svg, (SIZE.0, height)).into_drawing_area();
        let text = |error: DrawingAreaErrorKind<_>| error.to_string();
        area.fill(&WHITE).map_err(text)?;
        area.draw(&Text::new(title.to_owned(), (12, 12), FONT)).map_err(text)?;
        let most = bars.iter().map(|bar| bar.1).fold(1.0, f64::max);
        for ((words, value, is_ours), top) in bars.iter().zip((40..).step_by(ROW as usize)) {
            let length = (value / most * 380.0) as i32;
            area.draw(&Text::new(words.clone(), (12, top + 2), ("sans-serif", 13))).map_err(text)?;
            let colour = if *is_ours { OURS } else { OTHER };
            area.draw(&Rectangle::new([(270, top), (270 + length, top + ROW - 6)], colour.filled())).map_err(text)?;
            area.draw(&Text::new(format!("{value:.1} {unit}"), (276 + length, top + 2), ("sans-serif", 12))).map_err(text)?;
        }
        area.present().map_err(text)?;
    }
    Ok(svg)
}
