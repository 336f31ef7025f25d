//! The plots of a report, as SVG, made from the JSON alone.
//!
//! ```text
//!   cost over load: µs per packet by channels     delay: part of the packets above so many ms     codecs: ns per frame by level
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
            let held = levels.iter().filter(|level| level["verdict"] == "held").max_by_key(|level| level["channels"].as_u64());
            if let Some(level) = held.filter(|level| level["delay_us"].is_object()) {
                let title = format!("{what}: delay through the switch at {} channels", level["channels"]);
                let svg = delay(&title, &level["delay_histogram"])?;
                plots.push((name("delay"), title, svg));
            }
        }
        if let Some(levels) = result["levels"].as_array().filter(|_| result["held_per_second"].is_number()) {
            let cost = if result["hold_ms"].is_number() { "cpu_us_per_call" } else { "cpu_us_each" };
            let title = format!("{what}: CPU over the rate");
            plots.push((
                name("cost"),
                title.clone(),
                rates(&title, levels, "µs of CPU each, kernel included", &[("switch", OURS, cost, "")])?,
            ));
            if result["hold_ms"].is_number() {
                let title = format!("{what}: time until the callee, or control, is reached");
                let lines = [("p99", OTHER, "reached_us", "p99"), ("p50", OURS, "reached_us", "p50")];
                plots.push((name("reached"), title.clone(), rates(&title, levels, "µs", &lines)?));
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
fn chart(title: &str, [x_name, y_name]: [&str; 2], [x, y]: [Range<f64>; 2], lines: &[Line<'_>]) -> Result<String, String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let text = |error: DrawingAreaErrorKind<_>| error.to_string();
        area.fill(&WHITE).map_err(text)?;
        let mut builder = ChartBuilder::on(&area);
        builder.caption(title, FONT).margin(12).x_label_area_size(40).y_label_area_size(60);
        let mut chart = builder.build_cartesian_2d(x, y).map_err(text)?;
        chart.configure_mesh().x_desc(x_name).y_desc(y_name).light_line_style(WHITE).draw().map_err(text)?;
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

/// Lines over the rate: name, colour, and the key, and the key in it, of their values.
fn rates(title: &str, levels: &[Value], y_name: &str, wanted: &[(&str, RGBColor, &str, &str)]) -> Result<String, String> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (name, colour, key, inner) in wanted {
        let value = |level: &Value| if inner.is_empty() { level[*key].as_f64() } else { level[*key][*inner].as_f64() };
        let mut points: Vec<(f64, f64)> = levels.iter().filter_map(|level| Some((level["per_second"].as_f64()?, value(level)?))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        lines.push((name, *colour, points));
    }
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let most_x = all().map(|point| point.0).fold(1.0, f64::max);
    let most_y = all().map(|point| point.1).fold(1.0, f64::max);
    chart(title, ["a second", y_name], [0.0..most_x * 1.05, 0.0..most_y * 1.15], &lines)
}

fn cost(title: &str, levels: &[Value], bare: Option<f64>) -> Result<String, String> {
    let mut points: Vec<(f64, f64)> =
        levels.iter().filter_map(|level| Some((level["channels"].as_f64()?, level["cpu_us_per_packet"].as_f64()?))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let most_x = points.iter().map(|point| point.0).fold(1.0, f64::max);
    let most_y = points.iter().map(|point| point.1).chain(bare).fold(1.0, f64::max);
    let mut lines = vec![("switch", OURS, points)];
    if let Some(bare) = bare {
        lines.push(("bare forwarder", OTHER, vec![(0.0, bare), (most_x, bare)]));
    }
    chart(title, ["channels", "µs of CPU per packet, kernel included"], [0.0..most_x * 1.05, 0.0..most_y * 1.15], &lines)
}

/// Part of the packets that took longer, in percent.
fn delay(title: &str, histogram: &Value) -> Result<String, String> {
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
