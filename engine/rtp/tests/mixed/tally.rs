//! What was heard in all: levels and signal to noise by what joined the channels and by the worst codec on the way.
//!
//! Limits: stated in [`limits`]. A window is 200 ms. Packet by packet what is judged has no gap, so nearly all of it is as good as its
//!         codecs. Where a clock plays, two windows in five have a loss in them, so the median is that of undisturbed sound and the
//!         tenth from below that of concealed sound, at times of two losses: one leaves a tone 29 dB in G.711 and 23 dB in G.722
//!         (`tests/loss.rs`).
//! Units:  levels of 1 as it was said; dB.

use std::collections::BTreeMap;
use std::fmt;

use crate::sound::Grade;

/// What sound goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Packet by packet, in the order in which they were said.
    Packets,
    /// The same in another order, which what remembers hears (`media::batch`).
    Shuffled,
    /// The jitter buffer of a pair, with what it makes up for losses.
    Clock,
    Conference,
    Player,
    /// The jitter buffer, to a recorder.
    Tape,
}

#[derive(Default)]
pub struct Tally {
    heard: BTreeMap<(Way, Grade), Vec<(f64, f64)>>,
    /// Levels at which conferees hear themselves.
    own: Vec<f64>,
    pub channels: u64,
    pub packets: u64,
    pub digits: u64,
    pub windows: u64,
}

impl Tally {
    pub fn hear(&mut self, way: Way, grade: Grade, level: f64, snr_db: f64) {
        self.heard.entry((way, grade)).or_default().push((level, snr_db));
    }

    pub fn hear_own(&mut self, level: f64) {
        self.own.push(level);
    }

    /// Memory of what was kept here, which is the test's own.
    pub fn bytes(&self) -> i64 {
        let heard: usize = self.heard.values().map(|heard| heard.capacity() * size_of::<(f64, f64)>()).sum();
        (heard + self.own.capacity() * size_of::<f64>()) as i64
    }

    /// What must hold.
    pub fn judge(&self) {
        for (&(way, grade), heard) in &self.heard {
            if heard.len() < 30 {
                continue;
            }
            let (level, median, tenth) = (at(heard, 50, |h| h.0), at(heard, 50, |h| h.1), at(heard, 10, |h| h.1));
            let tolerance = if grade == Grade::Ilbc { 0.35 } else { 0.1 };
            assert!((1.0 - tolerance..=1.0 + tolerance).contains(&level), "{way:?} {grade:?}: median level {level}\n{self}");
            let (least, worst) = limits(way, grade);
            assert!(median >= least, "{way:?} {grade:?}: median of {median} dB, not {least}\n{self}");
            assert!(tenth >= worst, "{way:?} {grade:?}: one in ten under {tenth} dB, not {worst}\n{self}");
        }
        if self.own.len() >= 30 {
            let mut own = self.own.clone();
            own.sort_by(f64::total_cmp);
            assert!(own[own.len() / 2] < 0.1, "conferees hear themselves at {}", own[own.len() / 2]);
        }
    }
}

/// Least median and least tenth from below of the signal to noise, dB. In a conference the other tones are what is beside each, so
/// there only the levels tell.
const fn limits(way: Way, grade: Grade) -> (f64, f64) {
    match (way, grade) {
        (Way::Conference, _) => (f64::NEG_INFINITY, f64::NEG_INFINITY),
        (Way::Packets | Way::Player, Grade::Plain) => (35.0, 35.0),
        (Way::Packets | Way::Player, Grade::G722) => (22.0, 20.0),
        (Way::Packets | Way::Player, Grade::Ilbc) => (18.0, 18.0),
        (Way::Shuffled | Way::Clock | Way::Tape, Grade::Plain) => (35.0, 15.0),
        (Way::Shuffled | Way::Clock | Way::Tape, Grade::G722) => (22.0, 12.0),
        (Way::Shuffled | Way::Clock | Way::Tape, Grade::Ilbc) => (18.0, 10.0),
    }
}

/// Value that so many percent are under.
fn at(heard: &[(f64, f64)], percent: usize, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut all: Vec<_> = heard.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[(all.len() - 1) * percent / 100]
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} channels, {} packets in, {} digits, {} windows", self.channels, self.packets, self.digits, self.windows)?;
        for ((way, grade), heard) in &self.heard {
            let [l10, l50, l90] = [10, 50, 90].map(|p| at(heard, p, |h| h.0));
            let [s1, s10, s50] = [1, 10, 50].map(|p| at(heard, p, |h| h.1));
            let name = format!("{way:?} {grade:?}");
            writeln!(
                f,
                "{name:<18} {:>7} windows, level {l10:.2} {l50:.2} {l90:.2}, dB of one in 100 {s1:.1}, one in ten {s10:.1}, median {s50:.1}",
                heard.len()
            )?;
        }
        Ok(())
    }
}
