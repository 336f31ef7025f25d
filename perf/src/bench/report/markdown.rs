//! The report for people: one page of Markdown, made from the JSON alone.
//!
//! Shape:  host, notes, then one section per measurement, with the capacity in its first line.
//! Units:  in the heads of the tables.
//! Errors: none; a value that is missing is `-`.
//! Rule:   a capacity stands there only where the JSON has one; otherwise "at least".

use std::fmt::Write as _;

use serde_json::Value;

/// The page.
pub fn page(report: &Value) -> String {
    let mut out = format!("# {}\n\n", text(&report["command"]));
    let host = &report["host"];
    let mitigations =
        host["mitigations"].as_object().map(|all| all.iter().map(|(name, state)| format!("{name}: {}", text(state))).collect::<Vec<_>>());
    for (name, value) in [
        ("Version", format!("{}, commit {}", text(&host["version"]), text(&host["commit"]))),
        (
            "CPU",
            format!(
                "{} (family/model {}), {} CPUs, {}",
                text(&host["cpu"]),
                text(&host["cpu_family_model"]),
                count(&host["cpus"]),
                if host["virtual"] == true { "virtual" } else { "bare metal" }
            ),
        ),
        ("SIMD", list(&host["simd"])),
        ("Kernel", format!("{}, clock source {}, governor {}", text(&host["kernel"]), text(&host["clocksource"]), text(&host["governor"]))),
        ("Mitigations", mitigations.unwrap_or_default().join("; ")),
        ("Limits", limits(&host["limits"])),
        ("Load average", text(&host["load_average"])),
        (
            "CPUs used",
            format!(
                "switch {}, its media on {}; load of media on {}, of calls, registrations and HTTP on {}",
                text(&report["cpus"]["switch"]),
                text(&report["cpus"]["media"]),
                text(&report["cpus"]["load"]),
                text(&report["cpus"]["front_load"])
            ),
        ),
    ] {
        line(&mut out, &format!("- {name}: {value}"));
    }
    for note in report["notes"].as_array().into_iter().flatten() {
        line(&mut out, &format!("\n**{}**", text(note)));
    }
    for result in report["results"].as_array().into_iter().flatten() {
        section(&mut out, result);
    }
    out
}

/// Soft limits of this program, as `name: value`.
fn limits(limits: &Value) -> String {
    let all = limits.as_object().into_iter().flatten().map(|(name, value)| format!("{name} {}", text(value)));
    all.collect::<Vec<_>>().join("; ")
}

fn section(out: &mut String, result: &Value) {
    let what = text(&result["what"]);
    line(out, &format!("\n## {what}\n"));
    if let Some(error) = result["error"].as_str() {
        line(out, &format!("{what} could not be measured: {error}"));
    } else if result["rows"].is_array() {
        codecs(out, result);
        peers(out, result);
    } else if result["servers"].is_number() {
        plan(out, result);
    } else if result["channels_per_core"].is_number() {
        scaling(out, result);
    } else if result["channels_per_second"].is_number() {
        let bound = if result["generator_was_limit"] == true { "at least " } else { "" };
        let delay = &result["delay_us"];
        line(
            out,
            &format!(
                "{what}: **{bound}{} a second** on {} connections, three requests each, {} µs of CPU a channel ({}), all three in {} µs (median), {} µs (p99).",
                text(&result["channels_per_second"]),
                text(&result["connections"]),
                text(&result["cpu_us_per_channel"]),
                threads(result),
                text(&delay["p50"]),
                text(&delay["p99"])
            ),
        );
    } else if result["requests_per_second"].is_number() {
        let bound = if result["generator_was_limit"] == true { "at least " } else { "" };
        let delay = &result["delay_us"];
        line(
            out,
            &format!(
                "{what}: **{bound}{} a second** on {} connections, {} µs of CPU each, answered in {} µs (median), {} µs (p99).",
                text(&result["requests_per_second"]),
                text(&result["connections"]),
                text(&result["cpu_us_per_request"]),
                text(&delay["p50"]),
                text(&delay["p99"])
            ),
        );
    } else if result["hold_ms"].is_number() {
        calls(out, result, &what);
        peers(out, result);
    } else if result["held_per_second"].is_number() {
        registrations(out, result, &what);
        peers(out, result);
    } else {
        media(out, result, &what);
        peers(out, result);
    }
}

/// Programs of the field, as ratios; what is absent is said.
fn peers(out: &mut String, result: &Value) {
    let all = result["peers"].as_array().or_else(|| result["reference"]["peers"].as_array());
    for peer in all.into_iter().flatten() {
        let name = text(&peer["name"]);
        let told = match peer["absent"].as_str() {
            Some(why) => format!("\n{name}: not measured ({why})."),
            None => format!(
                "\n{name}: {} µs, ours in the same run {} µs; theirs over ours **{}**, {} rounds by turns. {}",
                spread(&peer["theirs_us"]),
                spread(&peer["ours_us"]),
                spread(&peer["ratio"]),
                text(&peer["rounds"]),
                peer["note"].as_str().unwrap_or_default()
            ),
        };
        line(out, told.trim_end());
    }
}

fn scaling(out: &mut String, result: &Value) {
    line(
        out,
        &format!(
            "{} channels a core; {}.\n\nOne core {} µs a packet, two {} µs; two over one **{}** (1 is linear), {} rounds by turns. {} packets lost.",
            text(&result["channels_per_core"]),
            text(&result["shape"]),
            spread(&result["one_core_us"]),
            spread(&result["two_cores_us"]),
            spread(&result["ratio"]),
            text(&result["rounds"]),
            text(&result["lost"])
        ),
    );
    if let Some(why) = result["generator_was_limit"].as_str() {
        line(out, &format!("\nThe load generator was the limit in a turn: {why}."));
    }
}

fn plan(out: &mut String, result: &Value) {
    let pairs = result["mix"].as_array().into_iter().flatten();
    let pairs =
        pairs.map(|pair| format!("{}:{} {:.0} %", text(&pair["from"]), text(&pair["to"]), pair["part"].as_f64().unwrap_or(0.0) * 100.0));
    line(
        out,
        &format!(
            "{} calls at once ({}), {} phones: **{} servers**, {} with one to spare; what sets it is {}.\n",
            text(&result["calls"]),
            pairs.collect::<Vec<_>>().join(", "),
            text(&result["phones"]),
            text(&result["servers"]),
            text(&result["servers_with_spare"]),
            text(&result["set_by"])
        ),
    );
    line(out, "| | all | each server |\n|---|---|---|");
    let each = &result["per_server"];
    for (name, all, one) in [
        ("calls", &result["calls"], &each["calls"]),
        ("media cores", &result["media_cores"], &Value::Null),
        ("signalling cores", &result["signalling_cores"], &Value::Null),
        ("packets a second, each way", &result["packets_per_second"], &each["packets_per_second"]),
        ("Mbit/s on the wire, each way", &result["megabits_per_second"], &each["megabits_per_second"]),
        ("memory, MiB", &result["memory_mib"], &each["memory_mib"]),
    ] {
        line(out, &format!("| {name} | {} | {} |", text(all), text(one)));
    }
    let costs = &result["costs"];
    let packets = costs["packet_us"].as_object().into_iter().flatten().map(|(pair, us)| format!("{pair} {}", text(us)));
    line(
        out,
        &format!(
            "\nFrom: {} µs a packet; {} µs a call; {} µs a registration.\n\nAssumed:",
            packets.collect::<Vec<_>>().join(", "),
            text(&costs["call_us"]),
            text(&costs["register_us"])
        ),
    );
    for assumption in result["assumptions"].as_array().into_iter().flatten() {
        line(out, &format!("- {}", text(assumption)));
    }
}

/// CPU by thread: `sip-00 55.1 (40 % kernel), rtp-00 …`.
fn threads(level: &Value) -> String {
    let threads = level["threads"].as_array().into_iter().flatten();
    let each = threads
        .map(|thread| format!("{} {} ({} kernel)", text(&thread["name"]), text(&thread["cpu_us_each"]), percent(&thread["kernel_part"])));
    each.collect::<Vec<_>>().join(", ")
}

fn calls(out: &mut String, result: &Value, what: &str) {
    line(out, &capacity(what, &result["calls_per_second"], &result["held_per_second"], "calls a second", &result["ended"]));
    attempts(out, result);
    line(out, &format!("\nRing {} ms, hold {} ms; INVITE with digest.", text(&result["ring_ms"]), text(&result["hold_ms"])));
    line(
        out,
        "\n| a second | asked, answered, completed | µs of CPU a call | kernel | by thread | core | to 100: p50, p99, max ms | callee or control reached: p50, p99, max ms | load's core | verdict |\n|---|---|---|---|---|---|---|---|---|---|",
    );
    for level in result["levels"].as_array().into_iter().flatten() {
        let ms = |times: &str| {
            let each =
                ["p50", "p99", "max"].map(|key| level[times][key].as_f64().map_or_else(|| "-".to_owned(), |us| format!("{:.2}", us / 1e3)));
            each.join(", ")
        };
        let of = &level["calls"];
        line(
            out,
            &format!(
                "| {} | {}, {}, {} | {} | {} | {} | {} | {} | {} | {} | {} {} |",
                text(&level["per_second"]),
                text(&of["asked"]),
                text(&of["answered"]),
                text(&of["completed"]),
                text(&level["cpu_us_per_call"]),
                percent(&level["kernel_part"]),
                threads(level),
                percent(&level["core"]),
                ms("to_100_us"),
                ms("reached_us"),
                percent(&level["generator"]["core"]),
                text(&level["verdict"]),
                level["why"].as_str().unwrap_or_default()
            ),
        );
    }
}

/// How many loads were played without a verdict, and which could not be played.
fn attempts(out: &mut String, result: &Value) {
    let of = &result["attempts"];
    line(
        out,
        &format!(
            "\n{} loads played; no verdict: {} where the generator was the limit, {} that the host stalled.",
            text(&of["all"]),
            text(&of["generator_was_limit"]),
            text(&of["stalled_by_host"])
        ),
    );
    for load in result["unmeasured"].as_array().into_iter().flatten() {
        line(out, &format!("\nAt {}: could not be measured: {}", text(&load["load"]), text(&load["why"])));
    }
}

fn media(out: &mut String, result: &Value, what: &str) {
    line(out, &capacity(what, &result["capacity_channels"], &result["held_channels"], "channels", &result["ended"]));
    attempts(out, result);
    faults(out, result);
    if result["reference"].is_object() {
        beside(out, &result["reference"]);
    }
    let host = &result["host_lateness"];
    line(
        out,
        &format!(
            "\nAn idle thread on that CPU ({}) was woken 1 ms late or more in {} of {} slots, p99.9 {} µs, at most {} µs; {} missed. A load may be as late, or late in 1 of 1000.",
            if host["sched_fifo"] == true { "SCHED_FIFO" } else { "ordinary priority: SCHED_FIFO is refused here" },
            text(&host["late"]),
            text(&host["slots"]),
            text(&host["p999_us"]),
            text(&host["max_us"]),
            text(&host["missed"])
        ),
    );
    levels(out, result);
}

/// What was put in, and what became of it.
fn faults(out: &mut String, result: &Value) {
    let asked = &result["faults"];
    if !asked.is_object() {
        return;
    }
    let percent = |key: &str| format!("{} %", text(&asked[key]));
    line(
        out,
        &format!(
            "\nPut into what the phones send: loss {}, jitter up to {} ms, {} overtaken, {} twice. Delay counts from when a packet was sent.",
            percent("loss_percent"),
            text(&asked["jitter_ms"]),
            percent("reorder_percent"),
            percent("duplicate_percent")
        ),
    );
    line(
        out,
        "\n| channels | lost: put in, seen by the switch, missing at the phones | overtaken: the same | twice: the same | concealed, frames of 20 ms | late |\n|---|---|---|---|---|---|",
    );
    for level in result["levels"].as_array().into_iter().flatten() {
        let three = |put_in: &str, saw: &str, heard: &str| {
            format!("{}, {}, {}", text(&level["put_in"][put_in]), text(&level["switch_saw"][saw]), text(&level["packets"][heard]))
        };
        let rows =
            [three("lost", "lost", "lost"), three("overtaken", "reordered", "reordered"), three("duplicates", "duplicates", "duplicates")];
        let saw = &level["switch_saw"];
        line(
            out,
            &format!(
                "| {} | {} | {} | {} |",
                text(&level["channels"]),
                rows.join(" | "),
                text(&saw["concealed_frames"]),
                text(&saw["late"])
            ),
        );
    }
}

/// Ours and the bare loops.
fn beside(out: &mut String, reference: &Value) {
    line(
        out,
        &format!(
            "\nAt {} channels a packet costs {} µs of CPU, the bare forwarder {} µs; ratio {}, {} rounds by turns.",
            text(&reference["channels"]),
            spread(&reference["ours_us"]),
            spread(&reference["bare_us"]),
            spread(&reference["ratio"]),
            text(&reference["rounds"])
        ),
    );
    if reference["codec_us"].is_number() {
        line(
            out,
            &format!(
                "The bare codec loop takes {} µs a packet; ratio to both together {}.",
                text(&reference["codec_us"]),
                spread(&reference["ratio_with_codec"])
            ),
        );
    }
}

/// The table of the loads.
fn levels(out: &mut String, result: &Value) {
    line(
        out,
        "\n| channels | packets/s | µs/packet | kernel | core | slots late (allowed), missed of | p50, p99, p99.9 of their lateness at most, ms | delay p50, p99, p99.9 ms | KiB/channel | MiB | load's core | taken by the hypervisor: switch, load ms | verdict |",
    );
    line(out, "|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for level in result["levels"].as_array().into_iter().flatten() {
        let slots = &level["slots"];
        let ms = |key: &str| level["delay_us"][key].as_f64().map_or_else(|| "-".to_owned(), |us| format!("{:.2}", us / 1e3));
        let verdict = format!("{} {}", text(&level["verdict"]), level["why"].as_str().unwrap_or_default());
        line(
            out,
            &format!(
                "| {} | {} | {:.2} | {} | {} | {} ({}), {} of {} | {} | {}, {}, {} | {:.1} | {:.1} | {} | {}, {} | {}{} |",
                text(&level["channels"]),
                text(&level["packets_per_second"]),
                level["cpu_us_per_packet"].as_f64().unwrap_or(0.0),
                percent(&level["kernel_part"]),
                percent(&level["core"]),
                text(&slots["late"]),
                text(&slots["late_allowed"]),
                text(&slots["missed"]),
                text(&slots["count"]),
                lateness(slots),
                ms("p50"),
                ms("p99"),
                ms("p999"),
                level["bytes_per_channel"].as_f64().unwrap_or(0.0) / 1024.0,
                level["resident_bytes"].as_f64().unwrap_or(0.0) / f64::from(1 << 20),
                percent(&level["generator"]["core"]),
                text(&level["stolen"]["switch_ms"]),
                text(&level["stolen"]["load_ms"]),
                verdict.trim(),
                if level["disturbed"] == true { " (disturbed)" } else { "" }
            ),
        );
    }
}

/// The quantiles of a load's slots, each the bound of its place.
fn lateness(slots: &Value) -> String {
    let all = ["late_p50_us", "late_p99_us", "late_p999_us"];
    all.map(|key| slots[key].as_f64().map_or_else(|| "over".to_owned(), |us| format!("{}", us / 1e3))).join(", ")
}

fn registrations(out: &mut String, result: &Value, what: &str) {
    line(out, &capacity(what, &result["capacity_per_second"], &result["held_per_second"], "a second", &result["ended"]));
    attempts(out, result);
    line(
        out,
        "\n| a second | asked | registered | µs of CPU each | by thread | core | answered p50, p99, max ms | load's core | verdict |\n|---|---|---|---|---|---|---|---|---|",
    );
    for level in result["levels"].as_array().into_iter().flatten() {
        let ms = |key: &str| level["delay_us"][key].as_f64().map_or_else(|| "-".to_owned(), |us| format!("{:.2}", us / 1e3));
        line(
            out,
            &format!(
                "| {} | {} | {} | {} | {} | {} | {}, {}, {} | {} | {} {} |",
                text(&level["per_second"]),
                text(&level["asked"]),
                text(&level["registered"]),
                text(&level["cpu_us_each"]),
                threads(level),
                percent(&level["core"]),
                ms("p50"),
                ms("p99"),
                ms("max"),
                percent(&level["generator"]["core"]),
                text(&level["verdict"]),
                level["why"].as_str().unwrap_or_default()
            ),
        );
    }
}

fn codecs(out: &mut String, result: &Value) {
    line(out, &format!("Frames of 20 ms, {} channels at a time, one core; median (least to most).", text(&result["channels_at_a_time"])));
    line(out, "\n| SIMD | codec | encode, ns a frame | decode, ns a frame | channels per core, codec alone |\n|---|---|---|---|---|");
    for row in result["rows"].as_array().into_iter().flatten() {
        line(
            out,
            &format!(
                "| {} | {} | {} | {} | {} |",
                text(&row["level"]),
                text(&row["codec"]),
                spread(&row["encode_ns"]),
                spread(&row["decode_ns"]),
                text(&row["channels_per_core"])
            ),
        );
    }
}

fn capacity(what: &str, capacity: &Value, held: &Value, unit: &str, ended: &Value) -> String {
    match capacity.as_u64() {
        Some(capacity) => format!("{what}: **{capacity} {unit}** (found to 5 %). Next: {}.", text(ended)),
        None if ended == "the load was given" => format!("{what}: held {} {unit}, as given; no capacity was searched.", text(held)),
        None if held.as_u64() == Some(0) => format!("{what}: no load held. {}.", text(ended)),
        None => format!("{what}: at least {} {unit}; the capacity was not found. {}.", text(held), text(ended)),
    }
}

fn spread(value: &Value) -> String {
    format!("{} ({} to {})", text(&value["median"]), text(&value["least"]), text(&value["most"]))
}

pub(super) fn percent(part: &Value) -> String {
    part.as_f64().map_or_else(|| "-".to_owned(), |part| format!("{:.0} %", part * 100.0))
}

fn count(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

fn list(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ")
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Number(number) if number.is_f64() => {
            let value = number.as_f64().unwrap_or(0.0);
            if value.fract() == 0.0 { format!("{value:.0}") } else { value.to_string() }
        }
        other => other.to_string(),
    }
}

pub(super) fn line(out: &mut String, line: &str) {
    // A String takes all.
    let _ = writeln!(out, "{line}");
}
