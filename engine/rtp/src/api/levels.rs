//! How loud a channel is in a mix, and who speaks there.
//!
//! ```text
//!   far end ─▶ in: gain, mute ─▶ gain of the group ─▶ mix ─▶ out: gain, mute ─▶ far end
//! ```
//! Shape:  plain values. `in` is what comes from the far end, `out` what it hears of the mix; what is played to it alone, echoed
//!         or recorded is not changed.
//! Units:  dB, 0 leaves as it is; [`GAIN_DB_MIN`] to [`GAIN_DB_MAX`].
//! Errors: none.

use super::ChannelId;

/// Least gain: a thousandth.
pub const GAIN_DB_MIN: f32 = -60.0;
/// Most: ten times. What becomes louder than full scale is clipped.
pub const GAIN_DB_MAX: f32 = 20.0;
/// Most speakers that are named.
pub const SPEAKERS_MAX: usize = 16;
/// Least time between two events about who speaks in a mix, ms, if nothing else is asked for.
pub const SPEAKERS_INTERVAL_MS: u32 = 500;
/// Shortest that may be asked for: ten events a second.
pub const SPEAKERS_INTERVAL_MS_MIN: u32 = 100;
/// Longest.
pub const SPEAKERS_INTERVAL_MS_MAX: u32 = 60_000;

/// How a channel takes part in a mix; kept while it is in none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Levels {
    /// Of what comes from the far end.
    pub in_db: f32,
    /// Of what it hears.
    pub out_db: f32,
    /// The others do not hear it, nor its digits.
    pub mute_in: bool,
    /// It does not hear the others, nor their digits.
    pub mute_out: bool,
}

impl Levels {
    /// Nothing is changed by them.
    pub fn are_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Factor of its voice in a group of this gain.
    pub fn voice(&self, group_db: f32) -> f32 {
        if self.mute_in { 0.0 } else { factor(self.in_db + group_db) }
    }

    /// Factor of what it hears.
    pub fn hearing(&self) -> f32 {
        if self.mute_out { 0.0 } else { factor(self.out_db) }
    }
}

/// What is to become of levels; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LevelChange {
    /// See [`Levels::in_db`].
    pub in_db: Option<f32>,
    /// See [`Levels::out_db`].
    pub out_db: Option<f32>,
    /// Of all voices of the mix that the channel is in.
    pub group_db: Option<f32>,
    /// See [`Levels::mute_in`].
    pub mute_in: Option<bool>,
    /// See [`Levels::mute_out`].
    pub mute_out: Option<bool>,
}

impl LevelChange {
    /// The levels after it.
    pub fn apply(&self, levels: Levels) -> Levels {
        let bound = |db: Option<f32>, old: f32| db.map_or(old, |db| db.clamp(GAIN_DB_MIN, GAIN_DB_MAX));
        Levels {
            in_db: bound(self.in_db, levels.in_db),
            out_db: bound(self.out_db, levels.out_db),
            mute_in: self.mute_in.unwrap_or(levels.mute_in),
            mute_out: self.mute_out.unwrap_or(levels.mute_out),
        }
    }
}

/// The mix of a channel, as far as it runs by the clock: of two whose packets pass as they come nobody listens to the sound.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    /// How many are in it.
    pub members: usize,
    /// Gain of all voices.
    pub gain_db: f32,
    /// Who speaks now, loudest first; at most [`SPEAKERS_MAX`].
    pub speakers: Vec<ChannelId>,
}

fn factor(db: f32) -> f32 {
    if db == 0.0 { 1.0 } else { 10f32.powf(db.clamp(GAIN_DB_MIN, 2.0 * GAIN_DB_MAX) / 20.0) }
}
