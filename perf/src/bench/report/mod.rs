//! The report of a run: JSON is the whole, Markdown and the plots are made from it.
//!
//! ```text
//!   results ─▶ [json] ─▶ report.json ─┬▶ [markdown::page] ─▶ report.md
//!                                     └▶ [plots::all] ─▶ *.svg          many of them ─▶ [docs::renew] ─▶ docs/, README.md
//! ```
//! Shape:  one object of the form of `perf/report.schema.json`; a test holds one against the other.
//! Units:  in the keys.
//! Errors: `io::Error` of the files.

pub mod docs;
pub mod markdown;
pub mod plots;
mod schema;
mod tables;

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::host;
use super::options::Options;

/// Version of the form.
pub const FORM: u64 = 1;

/// The report of these results.
pub fn json(command: &str, options: &Options, results: &[Value]) -> Value {
    let notes: Vec<&str> = [
        (options.quick, "--quick: the loads are tiny and the times short; these figures say that it works, not how fast."),
        (cfg!(debug_assertions), "This is a debug build: the figures say nothing."),
        (options.media_cpu == options.load_cpu, "Load and switch share a CPU: the figures are too low."),
        (
            results.iter().any(disturbed),
            "Other processes took the switch's CPU for more than 1 % of some measurement: repeat on a quiet host.",
        ),
    ]
    .into_iter()
    .filter_map(|(applies, note)| applies.then_some(note))
    .collect();
    json!({
        "form": FORM,
        "command": format!("mediaswitch bench {command}"),
        "unix_time": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        "seconds_each": options.time.as_secs_f64(),
        "quick": options.quick,
        "cpus": { "switch": options.cores, "media": options.media_cpu, "load": options.load_cpu, "front_load": options.front_load_cpu() },
        "host": host::facts(),
        "notes": notes,
        "results": results,
    })
}

fn disturbed(result: &Value) -> bool {
    result["disturbed"] == true
}

/// What of it is not of the form of the schema: a bug of ours, a line each.
pub fn malformed(report: &Value) -> Vec<String> {
    match serde_json::from_str(SCHEMA) {
        Ok(schema) => schema::faults(&schema, report),
        Err(error) => vec![format!("perf/report.schema.json: {error}")],
    }
}

/// The form, as JSON Schema.
const SCHEMA: &str = include_str!("../../../report.schema.json");

/// What a report of `--quick` must not say: something was not measured, nothing was heard, a tone was wrong. Not a word on speed.
pub fn nonsense(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for result in report["results"].as_array().into_iter().flatten() {
        let what = result["what"].as_str().unwrap_or_default();
        let levels = result["levels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let packets = |level: &Value, key: &str| level["packets"][key].as_u64().unwrap_or(0);
        let is_zero = |value: &Value| value.as_f64() == Some(0.0);
        let wrong = [
            (result["error"].is_string(), "could not be measured"),
            (result["unmeasured"].as_array().is_some_and(|loads| !loads.is_empty()), "a load could not be measured"),
            (levels.iter().any(|level| level["packets"].is_object() && packets(level, "heard") == 0), "nothing was heard"),
            (levels.iter().any(|level| packets(level, "changed") + packets(level, "foreign") > 0), "packets were changed"),
            (
                levels
                    .iter()
                    .any(|level| level["put_in"].is_null() && level["audio"].as_array().is_some_and(|all| all.iter().any(is_wrong))),
                "another tone was heard than told",
            ),
            (levels.iter().any(|level| is_zero(&level["registered"])), "nobody was registered"),
            (levels.iter().any(|level| is_zero(&level["calls"]["completed"])), "no call was completed"),
            (levels.iter().any(|level| is_zero(&level["cpu_us_per_packet"])), "no CPU was used"),
            (is_zero(&result["channels"]), "no channel was opened"),
            (is_zero(&result["requests"]), "nothing was answered"),
            (result["rows"].as_array().is_some_and(Vec::is_empty), "there are no rows"),
        ];
        let wrong = wrong.into_iter().filter(|(applies, _)| *applies);
        found.extend(wrong.map(|(_, fault)| format!("{what}: {fault} {}", result["error"].as_str().unwrap_or_default())));
    }
    if report["results"].as_array().is_none_or(Vec::is_empty) {
        found.push("nothing was measured".to_owned());
    }
    found
}

/// What could not be measured, a line each.
pub fn missing(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for result in report["results"].as_array().into_iter().flatten() {
        let what = result["what"].as_str().unwrap_or_default();
        found.extend(result["error"].as_str().map(|why| format!("{what}: {why}")));
        for load in result["unmeasured"].as_array().into_iter().flatten() {
            found.push(format!("{what} at {}: {}", load["load"], load["why"].as_str().unwrap_or_default()));
        }
    }
    found
}

fn is_wrong(audio: &Value) -> bool {
    audio["told_hz"].as_f64().zip(audio["heard_hz"].as_f64()).is_none_or(|(told, heard)| (told - heard).abs() > 2.0)
}

/// Writes all of it into a directory, which is made if it is not there.
///
/// # Errors
/// The directory or a file cannot be written.
pub fn write(directory: &Path, report: &Value) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("report.json"), format!("{report:#}\n"))?;
    let plots = plots::all(report).map_err(io::Error::other)?;
    let mut page = markdown::page(report);
    for (name, title, svg) in plots {
        fs::write(directory.join(&name), svg)?;
        page.push_str(&format!("\n![{title}]({name})\n"));
    }
    fs::write(directory.join("report.md"), page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::options;

    pub(super) fn example() -> Value {
        let level = json!({
            "channels": 1200, "verdict": "held", "why": null, "seconds": 4.0,
            "packets": { "told": 240_000, "due": 240_000, "heard": 240_000, "lost": 0, "duplicates": 0, "reordered": 0, "changed": 0, "foreign": 0, "mute_streams": 0 },
            "put_in": null, "switch_saw": null, "packets_per_second": 60_000.0, "cpu_us_per_packet": 5.25, "kernel_part": 0.9, "core": 0.315, "waited_for_cpu": 0.0, "disturbed": false,
            "stolen": { "switch_ms": 0, "load_ms": 10 },
            "slots": { "count": 4000, "late": 1, "late_allowed": 4, "late_p50_us": 50, "late_p99_us": 100, "late_p999_us": 700,
                "late_histogram": [[50, 3900], [100, 95], [700, 4], [null, 1]], "missed": 0, "work_p99_us": 400 },
            "delay_us": { "p50": 700, "p99": 1500, "p999": 2000, "max": 2500 }, "delay_histogram": [[700, 200_000], [1500, 40_000]],
            "jitter_us": { "mean": 300.0, "worst": 900.0 }, "dropped_at_server": 0, "unsent_by_server": 0, "resident_bytes": 50_000_000,
            "bytes_per_channel": 8000.0, "generator": { "core": 0.3, "lag_p99_us": 100, "lag_max_us": 900, "lag_histogram": [[60, 3900], [900, 100]] },
            "audio": [{ "stream": 0, "told_hz": 600.0, "heard_hz": 600.0, "level_dbov": -15.0, "snr_db": 38.0 }],
        });
        let mut failed = level.clone();
        failed["channels"] = json!(2400);
        failed["verdict"] = json!("failed");
        failed["why"] = json!("3 packets lost of 480000");
        failed["cpu_us_per_packet"] = json!(4.5);
        failed["put_in"] = json!({ "lost": 4800, "duplicates": 480, "overtaken": 0, "held_back": 0 });
        failed["switch_saw"] = json!({ "lost": 4803, "duplicates": 480, "reordered": 0, "late": 0, "concealed_frames": null });
        let spread = json!({ "median": 1.1, "least": 1.0, "most": 1.2 });
        let times = json!({ "p50": 700, "p99": 1500, "max": 2500 });
        let options = options::read(["all".into()], &[0, 1]).unwrap().unwrap();
        let results = vec![
            json!({ "what": "relay pcmu", "ptime_ms": 20, "faults": null, "group": 2, "cores": "0,1", "capacity_channels": 1200, "held_channels": 1200,
                "ended": "2400 channels: 3 packets lost of 480000", "disturbed": false, "levels": [level, failed],
                "attempts": { "all": 5, "generator_was_limit": 1, "stalled_by_host": 2 }, "unmeasured": [{ "load": 4800, "why": "503 pool_empty" }],
                "host_lateness": { "slots": 8000, "sched_fifo": true, "late": 3, "late_part": 0.00038, "missed": 0, "p50_us": 60, "p99_us": 150, "p999_us": 900, "max_us": 1500,
                    "histogram": [[60, 7900], [1500, 100]] },
                "reference": { "channels": 600, "rounds": 3, "ours_us": spread, "bare_us": spread, "ratio": spread, "codec_us": 1.25, "ratio_with_codec": spread,
                    "peers": [{ "name": "rtpengine", "absent": "rtpengine is not installed" }] } }),
            json!({ "what": "codecs", "channels_at_a_time": 32, "frame_ms": 20,
                "rows": [{ "level": "avx2", "codec": "g722", "encode_ns": spread, "decode_ns": spread, "channels_per_core": 9000.0 }], "peers": [] }),
            json!({ "what": "http GET /status", "cores": "0,1", "connections": 16, "requests": 40_000, "requests_per_second": 10_000.0,
                "generator_was_limit": true, "cpu_us_per_request": 60.0, "kernel_part": null,
                "delay_us": { "p50": 1500, "p99": 2000, "p999": 3000, "max": 4000 }, "generator": { "core": 0.95 } }),
            calls_example(),
            json!({ "what": "register with digest", "cores": "0,1", "capacity_per_second": 9000, "held_per_second": 9000, "ended": "no", "attempts": { "all": 1, "generator_was_limit": 0, "stalled_by_host": 0 }, "unmeasured": [],
                "compared_per_second": 4500, "levels": [{ "per_second": 9000, "verdict": "held", "why": null, "asked": 36_000, "registered": 36_000,
                    "events": 36_000, "stolen": { "switch_ms": 0, "load_ms": 10 }, "cpu_us_each": 80.5, "kernel_part": 0.5, "core": 0.7, "bytes_each": 900.0, "delay_us": times,
                    "threads": [{ "name": "sip-00", "cpu_us_each": 80.5, "kernel_part": 0.5 }], "generator": { "core": 0.4, "lag_p99_us": 90 } }],
                "peers": [
                    { "name": "kamailio", "rounds": 3, "ours_us": spread, "theirs_us": spread, "ratio": spread, "note": "" },
                    { "name": "another", "absent": "another is not installed" },
                ] }),
            crate::bench::plan::tests::example(),
            json!({ "what": "scaling over media cores", "channels_per_core": 300, "shape": "one switch", "rounds": 3, "one_core_us": spread,
                "two_cores_us": spread, "ratio": spread, "lost": 0, "generator_was_limit": null }),
            json!({ "what": "channels opened, pointed and closed", "cores": "0,1", "connections": 16, "channels": 12_000, "channels_per_second": 3000.0,
                "generator_was_limit": false, "cpu_us_per_channel": 200.0, "kernel_part": 0.4, "delay_us": times,
                "threads": [{ "name": "sip-00", "cpu_us_each": 150.0, "kernel_part": 0.4 }], "generator": { "core": 0.5 } }),
            json!({ "what": "mix of 3, pcmu", "error": "422" }),
        ];
        json("all", &options, &results)
    }

    fn calls_example() -> Value {
        let times = json!({ "p50": 700, "p99": 1500, "max": 2500 });
        let level = json!({
            "per_second": 400, "verdict": "held", "why": null, "seconds": 4.0,
            "calls": { "asked": 1600, "answered": 1600, "completed": 1600, "repeats": 0 }, "failures": {}, "cpu_us_per_call": 900.5,
            "kernel_part": 0.4, "core": 0.36, "waited_for_cpu": 0.0,
            "threads": [{ "name": "sip-00", "cpu_us_each": 850.5, "kernel_part": 0.4 }, { "name": "rtp-00", "cpu_us_each": 50.0, "kernel_part": null }],
            "to_100_us": times, "reached_us": times, "answered_us": times, "events": 0,
            "packets": { "told": 10, "heard": 10, "foreign": 0, "ends": 2, "mute_ends": 0 },
            "audio": [{ "stream": 0, "told_hz": 600.0, "heard_hz": 600.0, "level_dbov": -15.0, "snr_db": 38.0 }], "resident_bytes": 50_000_000,
            "stolen": { "switch_ms": 0, "load_ms": 0 }, "generator": { "core": 0.1, "lag_p99_us": 90, "lag_max_us": 200 },
        });
        json!({ "what": "calls with media", "cores": "0,1", "hold_ms": 1000, "ring_ms": 50, "rtp": true, "calls_per_second": 400,
            "held_per_second": 400, "ended": "800 a second: 3 of 3200 calls failed, most with: INVITE answered 503",
            "attempts": { "all": 1, "generator_was_limit": 0, "stalled_by_host": 0 }, "unmeasured": [], "levels": [level] })
    }

    #[test]
    fn a_report_has_the_form_of_the_schema() {
        assert_eq!(malformed(&example()), Vec::<String>::new());
        let mut wrong = example();
        wrong["results"][0]["levels"][0]["verdict"] = json!("fine");
        wrong["results"][0]["levels"][0]["seconds"] = json!("4");
        wrong["host"] = Value::Null;
        let faults = malformed(&wrong).join("\n");
        assert!(faults.contains("report.host") && faults.contains("report.results[0]"), "{faults}");
    }

    #[test]
    fn nonsense_is_what_was_not_measured_or_not_heard() {
        let mut report = example();
        assert_eq!(missing(&report), ["relay pcmu at 4800: 503 pool_empty", "mix of 3, pcmu: 422"]);
        assert_eq!(nonsense(&report), ["relay pcmu: a load could not be measured ", "mix of 3, pcmu: could not be measured 422"]);
        report["results"][0]["unmeasured"] = json!([]);
        report["results"].as_array_mut().unwrap().pop();
        assert!(nonsense(&report).is_empty());
        report["results"][0]["levels"][0]["audio"][0]["heard_hz"] = json!(440.0);
        report["results"][0]["levels"][1]["packets"]["heard"] = json!(0);
        assert_eq!(nonsense(&report).len(), 2);
    }

    #[test]
    fn the_page_tells_what_held_and_the_plots_are_there() {
        let directory = std::env::temp_dir().join(format!("bench-report-{}", std::process::id()));
        write(&directory, &example()).unwrap();
        let page = fs::read_to_string(directory.join("report.md")).unwrap();
        for wanted in [
            "relay pcmu: **1200 channels**",
            "2400 channels: 3 packets lost",
            "| avx2 | g722 |",
            "could not be measured: 422",
            ".svg)",
            "at least",
            "calls with media: **400 calls a second**",
            "sip-00 850.5 (40 % kernel), rtp-00 50 (- kernel)",
            "theirs over ours **1.1 (1 to 1.2)**",
            "woken 1 ms late or more in 3 of 8000 slots",
            "5 loads played; no verdict: 1 where the generator was the limit, 2 that the host stalled.",
            "At 4800: could not be measured: 503 pool_empty",
            "bare codec loop takes 1.25",
            "rtpengine: not measured",
            "**3000 a second** on 16 connections",
            "100000 calls at once (pcmu:g722 30 %, pcmu:pcmu 70 %)",
            "two over one **1.1 (1 to 1.2)**",
            "another: not measured (another is not installed)",
        ] {
            assert!(page.contains(wanted), "{wanted} is not in\n{page}");
        }
        let svgs: Vec<_> =
            fs::read_dir(&directory).unwrap().flatten().filter(|file| file.path().extension().is_some_and(|end| end == "svg")).collect();
        assert!(svgs.len() >= 3);
        for file in svgs {
            let svg = fs::read_to_string(file.path()).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
