//! `bench scaling`: the same load per media core on one core and on two, and what a packet then costs.
//!
//! ```text
//!   5 CPUs or more:  one switch with one media shard, then with two; a load of its own for each
//!   fewer:           one switch on one CPU, then two switches on two, each one's load on the other's CPU
//! ```
//! Shape:  bridges of PCMU, the same number of channels for each core; one core and two by turns.
//! Units:  microseconds of CPU of all switches, kernel included, per packet that came back; a ratio of 1 is linear.
//! Errors: text.
//! Note:   cores share memory, caches and the host's clock, so the ratio is what `bench plan` may assume, no more.

use std::thread;

use serde_json::{Value, json};

use super::media::{Job, open_all, round, spread};
use super::options::Options;
use super::progress;
use super::server::{Switch, phones_loopback};
use super::usage::Usage;
use crate::load::{Generator, Outcome, kernel};

/// Channels per core where none are given.
const CHANNELS: usize = 300;
const QUICK_CHANNELS: usize = 12;
/// CPUs for a front, two media shards and two loads.
const CPUS_FOR_ONE_SWITCH: usize = 5;

/// A switch, and the CPU of each load on it.
struct Part {
    cores: String,
    loads: Vec<usize>,
}

/// One core, and two.
fn parts(cpus: &[usize]) -> Option<[Vec<Part>; 2]> {
    let part = |cores: String, loads: &[usize]| Part { cores, loads: loads.to_vec() };
    match cpus {
        [a, b, c, d, e, ..] if cpus.len() >= CPUS_FOR_ONE_SWITCH => {
            Some([vec![part(format!("{a},{b}"), &[*d])], vec![part(format!("{a},{b},{c}"), &[*d, *e])]])
        }
        [a, b, ..] => Some([vec![part(format!("{b}-{b}"), &[*a])], vec![part(format!("{b}-{b}"), &[*a]), part(format!("{a}-{a}"), &[*b])]]),
        _ => None,
    }
}

/// What one turn cost.
struct Turn {
    cpu_us: f64,
    lost: u64,
    limited: Option<String>,
}

/// The measurement.
///
/// # Errors
/// A switch does not start, or this process may use but one CPU.
pub fn measure(options: &Options, cpus: &[usize]) -> Result<Value, String> {
    let [one, two] = parts(cpus).ok_or("scaling: this process may use one CPU only")?;
    let channels = options.channels.first().copied().unwrap_or(if options.quick { QUICK_CHANNELS } else { CHANNELS }).div_ceil(4) * 4;
    let mut turns = Vec::new();
    for _ in 0..options.rounds {
        let pair = (turn(&one, channels, options)?, turn(&two, channels, options)?);
        progress(&format!("scaling: {channels} channels a core, one core {:.2} us a packet, two {:.2}", pair.0.cpu_us, pair.1.cpu_us));
        turns.push(pair);
    }
    let limited = turns.iter().flat_map(|(one, two)| [&one.limited, &two.limited]).flatten().next();
    Ok(json!({
        "what": "scaling over media cores",
        "channels_per_core": channels,
        "shape": if cpus.len() >= CPUS_FOR_ONE_SWITCH {
            "one switch with one media shard, then with two; a CPU for each load"
        } else {
            "too few CPUs for a load of its own: one switch on one CPU, then two on two, each one's load on the other's CPU"
        },
        "rounds": options.rounds,
        "one_core_us": spread(turns.iter().map(|(one, _)| one.cpu_us)),
        "two_cores_us": spread(turns.iter().map(|(_, two)| two.cpu_us)),
        "ratio": spread(turns.iter().map(|(one, two)| two.cpu_us / one.cpu_us.max(1e-9))),
        "lost": turns.iter().map(|(one, two)| one.lost + two.lost).sum::<u64>(),
        "generator_was_limit": limited,
    }))
}

fn turn(parts: &[Part], channels: usize, options: &Options) -> Result<Turn, String> {
    let job = Job::Bridge(options.from, options.from);
    let (mut switches, mut loads) = (Vec::new(), Vec::new());
    for part in parts {
        let mut switch = Switch::start(&part.cores, channels * part.loads.len())?;
        for cpu in &part.loads {
            let mut load = Generator::bind(phones_loopback(), options.ptime_ms).map_err(|error| error.to_string())?;
            open_all(job, channels, options, &mut switch, &mut load)?;
            loads.push((*cpu, load));
        }
        switches.push(switch);
    }
    let pids: Vec<u32> = switches.iter().map(Switch::id).collect();
    let (mut start, mut end) = (Usage::default(), Usage::default());
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        // All begin within a millisecond: the first one's moments are those of all.
        let mut looks = Some((&mut start, &mut end));
        let running: Vec<_> = loads
            .iter_mut()
            .map(|(cpu, load)| {
                let (mut looks, pids) = (looks.take(), &pids);
                scope.spawn(move || {
                    kernel::take_cpu(*cpu);
                    let (began, ended) = match &mut looks {
                        Some((start, end)) => (Some(start), Some(end)),
                        None => (None, None),
                    };
                    load.run(
                        super::media::WARM_UP,
                        options.time,
                        || began.into_iter().for_each(|start| **start = Usage::of_processes(pids)),
                        || ended.into_iter().for_each(|end| **end = Usage::of_processes(pids)),
                    )
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let heard: u64 = outcomes.iter().map(|outcome| outcome.counts.heard).sum();
    if heard == 0 {
        return Err("scaling: nothing was heard".to_owned());
    }
    Ok(Turn {
        cpu_us: round(end.since(start).run.as_secs_f64() * 1e6 / heard as f64, 3),
        lost: outcomes.iter().map(|outcome| outcome.counts.lost).sum(),
        limited: outcomes.iter().find_map(Outcome::generator_limit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_has_its_load_and_no_load_the_cpu_of_its_own_switch() {
        for cpus in [vec![0, 1], vec![0, 1, 2, 3], (0..8).collect()] {
            let [one, two] = parts(&cpus).unwrap();
            assert_eq!((one.iter().flat_map(|part| &part.loads).count(), two.iter().flat_map(|part| &part.loads).count()), (1, 2));
            for part in one.iter().chain(&two) {
                let own: Vec<usize> = part.cores.split([',', '-']).map(|cpu| cpu.parse().unwrap()).collect();
                assert!(part.loads.iter().all(|load| !own.contains(load)), "{} {:?}", part.cores, part.loads);
            }
        }
        assert!(parts(&[0]).is_none());
    }
}
