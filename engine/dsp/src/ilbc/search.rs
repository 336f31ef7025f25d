//! Search of the adaptive codebook: three stages, each the vector that takes most of what is left of the target.
//!   memory, target ─► weighted ─► for every lag: product with the target, energy ─► best ─► gain ─► target less vector ─► next stage
//! Shape:  all lags of a section at once, in lanes, the longest lag first, so that memory runs forward. The second section is searched only
//!         around the place that won the first.
//! Speed:  energies and the vectors that repeat themselves are made once for all stages.
//! Errors: none.
//! Source: RFC 3951 §3.6.3, §3.6.4; appendices A.12, A.20, A.24.

use std::ops::Range;

use super::codebook::{self, FADE, MEMORY, filtered, quantise};
use super::filter::{COUNT, ORDER, Predictor, all_pole};
use super::shape::{Choice, STAGES, SUBFRAME};
use super::sums::{BEHIND, correlate, dot, energies};
use super::tables::{GAINS_5, SEARCH_RANGE};
use crate::lanes::Floats;

/// Gains from here on are not considered.
const GAIN_MAX: f32 = 1.3;
/// Vectors of the second section that are searched.
const AROUND: usize = 34;
/// Most vectors that are searched at once, and up to a whole number of vectors of every level.
const LAGS: usize = 128;
/// Repeating vectors of a section: lags 20 to 39.
const REPEATED: usize = 20;
/// The same up to a whole number of vectors.
const REPEATED_ROOM: usize = 32;
/// What a vector may read after that.
const ROOM_AFTER: usize = 16;
/// Shortest lag of them.
const LAG_MIN: usize = 20;
/// What no measure is below.
const NOTHING: f32 = -1e7;

/// The best vector so far.
#[derive(Clone, Copy)]
struct Best {
    measure: f32,
    index: usize,
    gain: f32,
}

impl Best {
    fn better(self, other: Self) -> Self {
        if other.measure > self.measure { other } else { self }
    }
}

/// One section: its samples, and what all stages need of its vectors.
struct Section {
    samples: [f32; MEMORY + BEHIND],
    len: usize,
    /// Plain vectors that are searched, at most.
    range: usize,
    /// One over the energy of each of them, the longest lag first.
    inverse: [f32; LAGS],
    repeated: Repeated,
}

/// The repeating vectors of a section, one sample of all of them per row, the longest lag first.
struct Repeated {
    rows: [[f32; REPEATED_ROOM]; SUBFRAME],
    inverse: [f32; REPEATED_ROOM + ROOM_AFTER],
    /// Whether the rows are those of the section.
    made: bool,
}

/// What a search works in; nothing in it outlives one.
pub(super) struct Scratch {
    first: Section,
    second: Section,
}

impl Scratch {
    pub(super) const NEW: Self = Self { first: Section::EMPTY, second: Section::EMPTY };
}

/// Chooses vectors and gains for `target`, which follows `memory`. `block` is 0 for the rest of the start state, else 1 to 4.
#[inline(always)]
pub(super) fn search<F: Floats>(
    f: F,
    block: usize,
    memory: &[f32],
    target: &[f32],
    weighting: &Predictor,
    scratch: &mut Scratch,
) -> Choice {
    let len = target.len();
    let plain = memory.len() - len + 1;
    let repeats = len == SUBFRAME;
    let size = if repeats { plain + REPEATED } else { plain };

    let mut line = [0.0; ORDER + MEMORY + SUBFRAME];
    let line = &mut line[..ORDER + memory.len() + len];
    line[ORDER..ORDER + memory.len()].copy_from_slice(memory);
    line[ORDER + memory.len()..].copy_from_slice(target);
    all_pole(f, weighting, line);
    let (weighted_memory, weighted_target) = line[ORDER..].split_at(memory.len());
    let mut left = [0.0; SUBFRAME];
    left[..len].copy_from_slice(weighted_target);
    let target_energy = dot(f, weighted_target, weighted_target);

    let range = SEARCH_RANGE[block][0].min(plain);
    let Scratch { first, second } = scratch;
    first.samples[..memory.len()].copy_from_slice(weighted_memory);
    filtered(f, weighted_memory, &mut second.samples);
    first.weigh(f, memory.len(), len, range);
    second.weigh(f, memory.len(), len, range);

    let (mut choice, mut gain_before, mut chosen) = (Choice::default(), 1.0, [0.0; SUBFRAME]);
    for (stage, stage_range) in SEARCH_RANGE[block].into_iter().enumerate().take(STAGES) {
        let range = stage_range.min(range);
        let lags = if repeats { LAG_MIN..LAG_MIN + REPEATED } else { 0..0 };
        let best = first.best(f, &left[..len], stage, 0..range, lags);
        let (places, lags) = around(best.index, size, range, repeats);
        let best = best.better(second.best(f, &left[..len], stage, places, lags).at(size));
        let gain = if stage == 0 { best.gain.clamp(0.0, GAIN_MAX) } else { best.gain };
        let (index, gain) = quantise(stage, gain, gain_before);
        (choice.index[stage], choice.gain[stage], gain_before) = (best.index, index, gain);

        let mut vector = [0.0; SUBFRAME];
        let vector = &mut vector[..len];
        let (section, place) = if best.index < size { (&*first, best.index) } else { (&*second, best.index - size) };
        codebook::vector(&section.samples[..section.len], place, vector);
        for ((left, chosen), x) in left.iter_mut().zip(&mut chosen).zip(vector) {
            *chosen += gain * *x;
            *left -= gain * *x;
        }
    }
    choice.gain[0] = matched(choice.gain[0], dot(f, &chosen[..len], &chosen[..len]), target_energy);
    choice
}

/// Raises the first gain as long as the energy of what was chosen stays below that of the target: §3.6.4.2.
fn matched(index: usize, energy: f32, target_energy: f32) -> usize {
    let gain = GAINS_5[index];
    let mut found = index;
    for (i, other) in GAINS_5.iter().enumerate().skip(index) {
        if energy * other * other < target_energy * gain * gain && GAINS_5[found] < 2.0 * gain {
            found = i;
        }
    }
    found
}

/// Which plain places and which lags of the second section are searched after `index` won the first: 34 in all, as near as they can be.
fn around(index: usize, size: usize, range: usize, repeats: bool) -> (Range<usize>, Range<usize>) {
    let none = 0..0;
    let plain = if repeats { size - REPEATED } else { size };
    let end_lag = LAG_MIN + REPEATED;
    match index.checked_sub(AROUND / 2) {
        // Before the first plain place come, as if in a circle, the longest of the repeating ones.
        None if repeats => (0..index + AROUND / 2, end_lag - (AROUND / 2 - index)..end_lag),
        None => (0..AROUND.min(range), none),
        Some(start) if index < plain => {
            let end = (start + AROUND).min(range);
            (end.saturating_sub(AROUND)..end, none)
        }
        Some(start) if start < plain => (0..AROUND - REPEATED, LAG_MIN..end_lag),
        Some(start) => {
            let first_lag = LAG_MIN + start - plain;
            (0..AROUND - (end_lag - first_lag), first_lag..end_lag)
        }
    }
}

impl Best {
    /// The same with an index that counts from `base`.
    const fn at(self, base: usize) -> Self {
        Self { index: self.index + base, ..self }
    }
}

impl Section {
    const EMPTY: Self = Self {
        samples: [0.0; MEMORY + BEHIND],
        len: 0,
        range: 0,
        inverse: [0.0; LAGS],
        repeated: Repeated { rows: [[0.0; REPEATED_ROOM]; SUBFRAME], inverse: [0.0; REPEATED_ROOM + ROOM_AFTER], made: false },
    };

    /// Energies of the plain vectors of `vector` samples. The section holds its `len` samples.
    #[inline(always)]
    fn weigh<F: Floats>(&mut self, f: F, len: usize, vector: usize, range: usize) {
        (self.len, self.range, self.repeated.made) = (len, range, false);
        energies(f, &self.samples[len + 1 - vector - range..], vector, &mut self.inverse[..range]);
        invert(f, &mut self.inverse);
    }

    /// The best of some plain places and of the repeating vectors of some lags, by place; of equals the first.
    #[inline(always)]
    fn best<F: Floats>(&mut self, f: F, target: &[f32], stage: usize, places: Range<usize>, lags: Range<usize>) -> Best {
        let mut strongest = Strongest::none(f, stage == 0);
        let plain = self.len - target.len() + 1;
        if let (Ok(target), false) = (target.try_into(), lags.is_empty()) {
            if !self.repeated.made {
                self.repeated.make(f, &self.samples[..self.len]);
            }
            let mut products = [0.0; REPEATED_ROOM + ROOM_AFTER];
            self.repeated.sums::<F, false>(f, target, &mut products);
            let skip = LAG_MIN + REPEATED - lags.end;
            strongest.among(f, &products[skip..], &self.repeated.inverse[skip..], lags.len(), plain + lags.end - LAG_MIN - 1);
        }
        let mut products = [0.0; LAGS];
        // The longest lag of them is the last place, and comes first in memory.
        let from = self.len - target.len() - (places.end - 1);
        correlate(f, target, &self.samples[from..self.len], &mut products[..places.len()]);
        strongest.among(f, &products, &self.inverse[self.range - places.end..], places.len(), places.end - 1);
        strongest.best(f)
    }
}

/// Longest lag of the repeating vectors.
const LONGEST: usize = LAG_MIN + REPEATED - 1;

/// Weight of the second half of a vector where it fades in: of sample j and lag `LONGEST` - i at i + j.
static FADES: [f32; SUBFRAME + REPEATED_ROOM] = {
    let mut fades = [0.0; SUBFRAME + REPEATED_ROOM];
    let mut k = LONGEST + 1 - FADE;
    while k < fades.len() {
        let steps = k + FADE - LONGEST;
        fades[k] = if steps < FADE { 0.2 * steps as f32 } else { 1.0 };
        k += 1;
    }
    fades
};

impl Repeated {
    /// Sample j of the vector of lag L is that of the section L - j before its end; from L - 5 on it fades into that of 2 L - j before.
    #[inline(always)]
    fn make<F: Floats>(&mut self, f: F, section: &[f32]) {
        const TAIL: usize = 2 * LONGEST;
        // The end of the section, and zeros where a vector has turned to its second half.
        let mut tail = [0.0; TAIL + SUBFRAME + REPEATED_ROOM];
        tail[..TAIL].copy_from_slice(&section[section.len() - TAIL..]);
        // Every second sample, from the first and from the second: neighbouring lags are two apart there.
        let mut halves = [[0.0; SUBFRAME / 2 + REPEATED_ROOM]; 2];
        for (k, pair) in tail.as_chunks::<2>().0.iter().enumerate().take(SUBFRAME / 2 + REPEATED_ROOM) {
            (halves[0][k], halves[1][k]) = (pair[0], pair[1]);
        }
        let one = f.splat(1.0);
        for (j, row) in self.rows.iter_mut().enumerate() {
            let (near, fades) = (&tail[LONGEST + j..][..REPEATED_ROOM], &FADES[j..][..REPEATED_ROOM]);
            let far = &halves[j % 2][j / 2..][..REPEATED_ROOM];
            for at in (0..REPEATED).step_by(F::WIDTH) {
                let fade = f.load(&fades[at..]);
                let near = f.mul(f.sub(one, fade), f.load(&near[at..]));
                f.store(f.mul_add(fade, f.load(&far[at..]), near), &mut row[at..]);
            }
        }
        let mut powers = [0.0; REPEATED_ROOM + ROOM_AFTER];
        self.sums::<F, true>(f, &[0.0; SUBFRAME], &mut powers);
        invert(f, &mut powers);
        self.inverse = powers;
        self.made = true;
    }

    /// Products of all vectors with the target, or with themselves. Several sums at once, so that none waits for itself.
    #[inline(always)]
    fn sums<F: Floats, const OWN: bool>(&self, f: F, target: &[f32; SUBFRAME], out: &mut [f32; REPEATED_ROOM + ROOM_AFTER]) {
        const AT_ONCE: usize = 5;
        let vectors = REPEATED.div_ceil(F::WIDTH).min(AT_ONCE);
        let mut at = 0;
        while at < REPEATED {
            let mut sums = [f.splat(0.0); AT_ONCE];
            for (row, target) in self.rows.iter().zip(target) {
                let target = f.splat(*target);
                let mut n = 0;
                while n < vectors {
                    let x = f.load(&row[at + n * F::WIDTH..]);
                    sums[n] = f.mul_add(if OWN { x } else { target }, x, sums[n]);
                    n += 1;
                }
            }
            for (n, sum) in sums.into_iter().enumerate().take(vectors) {
                f.store(sum, &mut out[at + n * F::WIDTH..]);
            }
            at += vectors * F::WIDTH;
        }
    }
}

/// Makes one over each energy of it; nothing for none.
#[inline(always)]
fn invert<F: Floats>(f: F, energies: &mut [f32]) {
    let (zero, one, least) = (f.splat(0.0), f.splat(1.0), f.splat(f32::EPSILON * f32::EPSILON));
    for energies in energies.chunks_exact_mut(F::WIDTH) {
        let energy = f.load(energies);
        f.store(f.if_greater(energy, zero, f.div(one, f.add(energy, least)), zero), energies);
    }
}

/// The vector whose energy in the target is greatest, each lane for itself.
struct Strongest<F: Floats> {
    measure: F::V,
    gain: F::V,
    /// Their places, times -1: what is looked at comes by falling places.
    place: F::V,
    /// Only those that point the way of the target.
    rising: bool,
}

impl<F: Floats> Strongest<F> {
    #[inline(always)]
    fn none(f: F, rising: bool) -> Self {
        Self { measure: f.splat(NOTHING), gain: f.splat(0.0), place: f.splat(0.0), rising }
    }

    /// Looks at `count` more vectors, the first of them at the place `last`, each next at the place before.
    #[inline(always)]
    fn among(&mut self, f: F, products: &[f32], inverse: &[f32], count: usize, last: usize) {
        let (nothing, zero, gain_max) = (f.splat(NOTHING), f.splat(0.0), f.splat(GAIN_MAX * GAIN_MAX));
        let mut place = f.add(f.load(&COUNT), f.splat(-(last as f32)));
        let (end, step) = (f.splat(count as f32 - last as f32), f.splat(F::WIDTH as f32));
        let rounds = count.div_ceil(F::WIDTH) * F::WIDTH;
        for (products, inverse) in products[..rounds].chunks_exact(F::WIDTH).zip(inverse[..rounds].chunks_exact(F::WIDTH)) {
            let product = f.load(products);
            let gain = f.mul(product, f.load(inverse));
            let mut measure = f.mul(product, gain);
            measure = f.if_greater(gain_max, f.mul(gain, gain), measure, nothing);
            measure = f.if_greater(end, place, measure, nothing);
            if self.rising {
                measure = f.if_greater(product, zero, measure, nothing);
            }
            // Equal measures: the later one, that is the place that comes first.
            self.place = f.if_greater(self.measure, measure, self.place, place);
            self.gain = f.if_greater(self.measure, measure, self.gain, gain);
            self.measure = f.if_greater(self.measure, measure, self.measure, measure);
            place = f.add(place, step);
        }
    }

    /// The best of all lanes.
    #[inline(always)]
    fn best(self, f: F) -> Best {
        let measure = f.greatest(self.measure);
        if measure <= NOTHING {
            return Best { measure: NOTHING, index: 0, gain: 0.0 };
        }
        let (best, never) = (f.splat(measure), f.splat(f32::NEG_INFINITY));
        let place = f.greatest(f.if_greater(best, self.measure, never, self.place));
        let gain = f.if_greater(best, self.measure, f.splat(0.0), f.if_greater(f.splat(place), self.place, f.splat(0.0), self.gain));
        Best { measure, index: -place as usize, gain: f.sum(gain) }
    }
}
