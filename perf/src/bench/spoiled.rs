//! Loads with faults put in (`--loss`, `--jitter`, `--reorder`, `--duplicate`): what the switch says it saw, held against what was.
//!
//! ```text
//!   PutIn of the load ──┬▶ Outcome::fault: what the phones heard         (relay, transcode: lost in is lost out)
//!                       └▶ [fault]: RTP statistics of the channels       (mix: concealed, none of it heard as loss)
//! ```
//! Shape:  two looks at all channels: as the telling ends (what was concealed), and once all has come (what was lost).
//! Units:  packets; concealed frames of 20 ms.
//! Errors: text of the API.
//! Note:   the last 300 ms carry no faults, so every loss has a later packet that shows it, and was played out.

use std::sync::{Mutex, mpsc};
use std::thread;

use serde_json::{Value, json};

use super::server::Switch;
use crate::load::{Faults, Outcome, PutIn};

/// Sums over the channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saw {
    /// Expected and never seen.
    pub lost: u64,
    /// Seen twice.
    pub duplicates: u64,
    /// Seen after a later one.
    pub reordered: u64,
    /// Too late for its place.
    pub late: u64,
    /// Frames made up; `None` where no channel has a jitter buffer.
    pub concealed: Option<u64>,
}

impl Saw {
    /// From the answer to `GET /channel`.
    pub fn of_channels(answer: &Value) -> Self {
        let mut all = Self::default();
        for input in answer["channels"].as_array().into_iter().flatten().map(|channel| &channel["in"]) {
            let count = |key: &str| input[key].as_u64().unwrap_or(0);
            all.lost += count("lost");
            all.duplicates += count("duplicate");
            all.reordered += count("reordered");
            all.late += count("late");
            all.concealed = all.concealed.into_iter().chain(input["concealed"].as_u64()).reduce(|a, b| a + b);
        }
        all
    }

    /// For the report.
    pub fn json(self) -> Value {
        let Self { lost, duplicates, reordered, late, concealed } = self;
        json!({ "lost": lost, "duplicates": duplicates, "reordered": reordered, "late": late, "concealed_frames": concealed })
    }
}

/// Plays a load, which calls what it is given when its telling ends; what `switch` saw of it, if there is one to ask. It is asked by
/// another thread, since the load goes on hearing.
pub fn watched(switch: Option<&Mutex<Switch>>, play: impl FnOnce(&(dyn Fn() + Sync)) -> Outcome) -> (Outcome, Result<Option<Saw>, String>) {
    let Some(switch) = switch else { return (play(&|| ()), Ok(None)) };
    let ask = || switch.lock().map_err(|_| "the load panicked".to_owned())?.channels();
    let (outcome, at_end) = thread::scope(|scope| {
        let (told, ended) = mpsc::sync_channel(1);
        let asking = scope.spawn(move || ended.recv().map_err(|_| "the load did not end".to_owned()).and_then(|()| ask()));
        // Whoever waits for it waits once.
        let outcome = play(&move || {
            let _ = told.try_send(());
        });
        (outcome, asking.join().unwrap_or_else(|_| Err("the look at the channels panicked".to_owned())))
    });
    // Silence after the end is made up too: that count is of the end, the others are of what has come since.
    let saw = at_end.and_then(|at_end| Ok(Some(Saw { concealed: at_end.concealed, ..ask()? })));
    (outcome, saw)
}

/// What of the statistics is not what was put in.
pub fn fault(put_in: PutIn, saw: Saw, ptime_ms: u16) -> Option<String> {
    let pairs =
        [(saw.lost, put_in.lost, "lost"), (saw.duplicates, put_in.twice, "sent twice"), (saw.reordered, put_in.overtaken, "overtaken")];
    let wrong = pairs.iter().find(|(saw, put_in, _)| saw != put_in);
    let wrong = wrong.map(|(saw, put_in, what)| format!("the switch tells of {saw} packets {what}, and {put_in} were"));
    // What was lost was made up; for the load's own jitter, and the host's, more is.
    let least = put_in.lost * u64::from(ptime_ms) / FRAME_MS;
    let concealed = saw.concealed.filter(|concealed| *concealed < least);
    wrong.or_else(|| concealed.map(|concealed| format!("{concealed} frames were concealed, and {least} were lost")))
}

/// What a concealed frame is.
const FRAME_MS: u64 = 20;

/// The faults asked for, for the report; null without any.
pub fn asked(faults: Faults) -> Value {
    let percent = |ppm: u32| f64::from(ppm) / 1e4;
    if faults.any() {
        json!({ "loss_percent": percent(faults.loss_ppm), "jitter_ms": faults.jitter_slots, "reorder_percent": percent(faults.reorder_ppm),
            "duplicate_percent": percent(faults.duplicate_ppm) })
    } else {
        Value::Null
    }
}

/// What of it was done, for the report.
pub fn done(put_in: PutIn) -> Value {
    json!({ "lost": put_in.lost, "duplicates": put_in.twice, "overtaken": put_in.overtaken, "held_back": put_in.held })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_all_channels_are_summed() {
        let channel = |lost: u64, concealed: Value| json!({ "in": { "lost": lost, "duplicate": 1, "reordered": 2, "late": 0, "concealed": concealed } });
        let saw = Saw::of_channels(&json!({ "channels": [channel(3, json!(4)), channel(5, json!(6))] }));
        assert_eq!(saw, Saw { lost: 8, duplicates: 2, reordered: 4, late: 0, concealed: Some(10) });
        assert_eq!(Saw::of_channels(&json!({ "channels": [channel(3, Value::Null)] })).concealed, None);
    }

    #[test]
    fn each_count_must_be_what_was_put_in() {
        let put_in = PutIn { lost: 8, twice: 2, overtaken: 4, ..PutIn::default() };
        let saw = Saw { lost: 8, duplicates: 2, reordered: 4, late: 0, concealed: None };
        assert_eq!(fault(put_in, saw, 20), None);
        for (wrong, word) in [
            (Saw { lost: 9, ..saw }, "9 packets lost, and 8 were"),
            (Saw { duplicates: 1, ..saw }, "1 packets sent twice"),
            (Saw { reordered: 5, ..saw }, "5 packets overtaken"),
            (Saw { concealed: Some(7), ..saw }, "7 frames were concealed, and 8 were lost"),
        ] {
            assert!(fault(put_in, wrong, 20).is_some_and(|why| why.contains(word)), "{word}");
        }
        assert_eq!(fault(put_in, Saw { concealed: Some(4), ..saw }, 10), None, "packets of 10 ms are half a frame");
    }
}
