//! The sums of a tick, one for each rate: who hears at the rate of the speaker hears the speaker's very samples.
//!
//! ```text
//!   voices at 8 kHz  ─▶ sum ─┬──────────────▶ + ─▶ minus own, limit ─▶ ears at 8 kHz
//!                            └▶ up ─┐ ┌ down ─┘
//!                            ┌──────│─┘
//!   voices at 16 kHz ─▶ sum ─┴──────└───────▶ + ─▶ minus own, limit ─▶ ears at 16 kHz
//! ```
//! Why:    one converter each way for a whole group, not one for each member; and a member of another rate changes nothing in
//!         what the rest hear of each other, so that it joins and leaves without a seam.
//! Shape:  a voice is in the sum of the rate at which its channel hears, so that it can be taken out of that again.
//! Limit:  what crosses is cut to 16 bits before its converter; in a converter's sum nothing is to be taken out later.
//! Memory: one value per shard, the converters in the group; nothing is allocated.
//! Errors: none; a frame of another length is passed over.

use dsp::Kernels;
use dsp::mix::Limit;

use crate::channel::{FRAME_MAX, Frame, RateState};
use crate::clock::Rate;

/// The converters of a group, between those of its members who have one rate and those who have the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Crossing {
    /// What is said at 8 kHz, for ears at 16 kHz.
    pub up: RateState,
    /// The other way.
    pub down: RateState,
}

/// The last frames of those who left, to be heard once more as they fade out, by rate.
#[derive(Debug, Clone)]
pub(super) struct Farewell {
    sums: [[i32; FRAME_MAX]; 2],
    is_due: bool,
}

/// One rate.
#[derive(Debug)]
struct Side {
    sum: [i32; FRAME_MAX],
    /// What who is silent hears, once it was asked for.
    common: [i16; FRAME_MAX],
    has_common: bool,
}

/// Scratch of a group's tick.
#[derive(Debug)]
pub(super) struct Mixing {
    sides: [Side; 2],
    /// What a player plays.
    pub played: [i16; FRAME_MAX],
    /// Both directions of a recorder.
    pub recorded: [[i16; FRAME_MAX]; 2],
}

impl Crossing {
    /// Goes on from the converter of a pair.
    pub const fn set(&mut self, converter: RateState) {
        match converter {
            RateState::Up(_) => self.up = converter,
            RateState::Down(_) => self.down = converter,
            RateState::Idle => {}
        }
    }

    /// The converter to this rate.
    pub const fn towards(&self, rate: Rate) -> RateState {
        match rate {
            Rate::Narrow => self.down,
            Rate::Wide => self.up,
        }
    }
}

impl Farewell {
    /// Nobody left.
    pub const fn new() -> Self {
        Self { sums: [[0; FRAME_MAX]; 2], is_due: false }
    }

    /// Somebody left since the last tick.
    pub const fn is_due(&self) -> bool {
        self.is_due
    }

    /// Adds a last frame.
    pub fn add(&mut self, frame: &Frame) {
        let Self { sums: [narrow, wide], is_due } = self;
        *is_due = true;
        for (sum, sample) in of(frame.rate(), narrow, wide).iter_mut().zip(frame.samples()) {
            *sum += i32::from(*sample);
        }
    }
}

impl Mixing {
    /// Nothing was mixed.
    pub const fn new() -> Self {
        const SIDE: Side = Side { sum: [0; FRAME_MAX], common: [0; FRAME_MAX], has_common: false };
        Self { sides: [SIDE, SIDE], played: [0; FRAME_MAX], recorded: [[0; FRAME_MAX]; 2] }
    }

    /// Begins a tick with the last frames of those who left.
    pub fn begin(&mut self, farewell: Option<&mut Farewell>) {
        for side in &mut self.sides {
            (side.sum, side.has_common) = ([0; FRAME_MAX], false);
        }
        if let Some(farewell) = farewell.filter(|farewell| farewell.is_due) {
            for (side, last) in self.sides.iter_mut().zip(&farewell.sums) {
                side.sum = *last;
            }
            *farewell = Farewell::new();
        }
    }

    /// Adds a voice.
    pub fn add(&mut self, kernels: &Kernels, voice: &Frame) {
        if let Some(sum) = self.side(voice.rate()).sum.get_mut(..voice.rate().samples()) {
            kernels.mix.add(sum, voice.samples());
        }
    }

    /// Adds to each rate what is said at the other. A converter whose ears wait for `up` or `down` stands still.
    pub fn cross(&mut self, kernels: &Kernels, crossing: &mut Crossing, [up_waits, down_waits]: [bool; 2]) {
        let [narrow, wide] = &mut self.sides;
        let (Some(narrow), Some(wide)) = (narrow.sum.get_mut(..Rate::Narrow.samples()), wide.sum.get_mut(..Rate::Wide.samples())) else {
            return;
        };
        let (mut low, mut high) = ([0; Rate::Narrow.samples()], [0; Rate::Wide.samples()]);
        let (mut to_low, mut to_high) = ([0; Rate::Narrow.samples()], [0; Rate::Wide.samples()]);
        kernels.mix.only(Limit::Saturate, narrow, &mut low);
        kernels.mix.only(Limit::Saturate, wide, &mut high);
        if !up_waits {
            crossing.up.convert(kernels, &low, &mut to_high);
            kernels.mix.add(wide, &to_high);
        }
        if !down_waits {
            crossing.down.convert(kernels, &high, &mut to_low);
            kernels.mix.add(narrow, &to_low);
        }
    }

    /// What one hears whose own voice is in the sum.
    pub fn without(&mut self, kernels: &Kernels, voice: &Frame, said: &mut Frame) {
        if voice.rate() == said.rate()
            && let Some(sum) = self.side(said.rate()).sum.get(..said.rate().samples())
        {
            kernels.mix.without(Limit::Soft, sum, voice.samples(), said.samples_mut());
        }
    }

    /// What all hear who are silent.
    pub fn only(&mut self, kernels: &Kernels, said: &mut Frame) {
        let len = said.rate().samples();
        let Side { sum, common, has_common } = self.side(said.rate());
        let (Some(sum), Some(common)) = (sum.get(..len), common.get_mut(..len)) else { return };
        if !std::mem::replace(has_common, true) {
            kernels.mix.only(Limit::Soft, sum, common);
        }
        said.samples_mut().copy_from_slice(common);
    }

    const fn side(&mut self, rate: Rate) -> &mut Side {
        let [narrow, wide] = &mut self.sides;
        of(rate, narrow, wide)
    }
}

const fn of<'a, T>(rate: Rate, narrow: &'a mut T, wide: &'a mut T) -> &'a mut T {
    match rate {
        Rate::Narrow => narrow,
        Rate::Wide => wide,
    }
}
