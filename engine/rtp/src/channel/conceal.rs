//! What is made up for lost sound at the rate of a stream, and the fading of what an iLBC decoder makes up itself.
//!
//! ```text
//!   received ─▶ kept, blended after a loss          lost ─▶ from what was kept          decoded for a loss ─▶ faded, kept
//! ```
//! Shape:  one value per clocked channel; another rate starts it anew, without allocating.
//! Units:  samples of the stream; a loss is at full level for 40 ms and silent from 100 ms on, as in the rest of the house.
//! Errors: none.
//! Source: RFC 3951 §4.5: its decoder goes on nearly at full level for ever, so that the end of a long loss would be a click.

use dsp::plc::{Narrow, Wide};

use super::frame::Gain;
use crate::clock::Rate;

/// How long what is made up stays at its level, and by when it is silent, ms.
const FULL_MS: f32 = 40.0;
const SILENT_MS: f32 = 100.0;

#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives in the box of its channel, and changes with the codec, where nothing may be allocated"
)]
enum Concealer {
    Narrow(Narrow),
    Wide(Wide),
}

/// The state.
#[derive(Debug, Clone)]
pub struct Conceal {
    concealer: Concealer,
    /// Of what a decoder made up, and of the frame after it.
    fade: Gain,
    /// Samples of the loss that goes on.
    lost: usize,
    /// Samples made up that are no whole frame yet.
    part: usize,
    /// Frames that were made up.
    pub frames: u64,
}

impl Conceal {
    /// Nothing heard.
    pub const fn new() -> Self {
        Self { concealer: Concealer::Narrow(Narrow::new()), fade: Gain::steady(1.0), lost: 0, part: 0, frames: 0 }
    }

    /// Begins anew at another rate.
    pub const fn set_rate(&mut self, rate: Rate) {
        self.concealer = match rate {
            Rate::Narrow => Concealer::Narrow(Narrow::new()),
            Rate::Wide => Concealer::Wide(Wide::new()),
        };
        (self.fade, self.lost) = (Gain::steady(1.0), 0);
    }

    /// Sound that came; with `splice` it does not follow from what came before. Its start may be blended.
    pub fn received(&mut self, samples: &mut [i16], splice: bool) {
        if splice {
            self.fill(&mut []);
        }
        self.lost = 0;
        self.fade.set(1.0);
        self.fade.apply(samples);
        match &mut self.concealer {
            Concealer::Narrow(concealer) => concealer.received(samples),
            Concealer::Wide(concealer) => concealer.received(samples),
        }
    }

    /// Fills what did not come.
    pub fn lost(&mut self, samples: &mut [i16]) {
        self.fill(samples);
        self.count(samples.len());
    }

    /// What a decoder made up itself.
    pub fn decoded(&mut self, samples: &mut [i16]) {
        self.count(samples.len());
        let lost_ms = self.lost as f32 / 8.0;
        self.fade.set(((SILENT_MS - lost_ms) / (SILENT_MS - FULL_MS)).clamp(0.0, 1.0));
        self.fade.apply(samples);
        match &mut self.concealer {
            Concealer::Narrow(concealer) => concealer.received(samples),
            Concealer::Wide(concealer) => concealer.received(samples),
        }
    }

    /// How the sound would go on, for the last frame of one who leaves.
    pub fn go_on(&mut self, samples: &mut [i16]) {
        self.fill(samples);
    }

    /// What was heard last at 16 kHz, oldest first.
    pub const fn heard_wide(&self) -> Option<&[i16]> {
        match &self.concealer {
            Concealer::Wide(concealer) => Some(concealer.heard()),
            Concealer::Narrow(_) => None,
        }
    }

    fn fill(&mut self, samples: &mut [i16]) {
        match &mut self.concealer {
            Concealer::Narrow(concealer) => concealer.lost(samples),
            Concealer::Wide(concealer) => concealer.lost(samples),
        }
    }

    fn count(&mut self, samples: usize) {
        self.lost += samples;
        self.part += samples;
        let frame = match self.concealer {
            Concealer::Narrow(_) => Rate::Narrow.samples(),
            Concealer::Wide(_) => Rate::Wide.samples(),
        };
        self.frames += (self.part / frame) as u64;
        self.part %= frame;
    }
}
