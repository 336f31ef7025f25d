//! The two frame sizes of iLBC, and which bits of a frame are where.
//!   20 ms: 160 samples, 4 sub-frames, 38 octets        30 ms: 240 samples, 6 sub-frames, 50 octets
//! Shape:  a frame is some dozens of small numbers; each is cut into up to three parts, and all first parts come before all second ones, so
//!         that unequal protection can treat the head of a packet better.
//! Units:  bits, most significant first.
//! Errors: none; any octets are some numbers. Whether they make a frame is asked afterwards (`Frame::is_whole`).
//! Source: RFC 3951 §3.8, table 3.2.

/// Frame size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// 20 ms in 38 octets, 15.2 kbit/s.
    #[default]
    Ms20,
    /// 30 ms in 50 octets, 13.33 kbit/s.
    Ms30,
}

/// Samples of a sub-frame.
pub(super) const SUBFRAME: usize = 40;
/// Samples of the two sub-frames that the start state is in.
pub(super) const STATE: usize = 2 * SUBFRAME;
/// Stages of the codebook.
pub(super) const STAGES: usize = 3;
/// Samples of the longer frame.
pub(super) const SAMPLES_MAX: usize = 240;
/// Sub-frames of the longer frame.
pub(super) const SUBFRAMES_MAX: usize = 6;
/// Most scalar samples of a start state.
pub(super) const STATE_SCALARS_MAX: usize = 58;
/// Most numbers of a frame: 6 + 3 + 58 + 6 + 4 x 6.
const NUMBERS_MAX: usize = 97;
/// The same up to a power of two.
const NUMBERS_ROOM: usize = NUMBERS_MAX.next_power_of_two();
/// Octets of the longer frame.
const OCTETS_MAX: usize = 50;
/// Parts that numbers are cut into: three of each at most, but two of every scalar.
const PARTS_MAX: usize = 3 * NUMBERS_MAX - STATE_SCALARS_MAX;

/// Bits of a number in each of the three classes.
type Width = [u8; 3];

impl Mode {
    /// Samples of a frame, at 8 kHz.
    pub const fn samples(self) -> usize {
        match self {
            Self::Ms20 => 160,
            Self::Ms30 => 240,
        }
    }

    /// Octets of a frame.
    pub const fn octets(self) -> usize {
        match self {
            Self::Ms20 => 38,
            Self::Ms30 => 50,
        }
    }

    /// Samples by which the decoder's output is late.
    pub const fn delay_samples(self) -> usize {
        match self {
            Self::Ms20 => 40,
            Self::Ms30 => 80,
        }
    }

    pub(super) const fn subframes(self) -> usize {
        self.samples() / SUBFRAME
    }

    /// Sets of frequencies.
    pub(super) const fn sets(self) -> usize {
        match self {
            Self::Ms20 => 1,
            Self::Ms30 => 2,
        }
    }

    /// Samples of the start state that are quantised one by one.
    pub(super) const fn state_scalars(self) -> usize {
        match self {
            Self::Ms20 => 57,
            Self::Ms30 => 58,
        }
    }

    /// The other samples of the start state.
    pub(super) const fn state_rest(self) -> usize {
        STATE - self.state_scalars()
    }

    /// Sub-frames outside of the start state.
    pub(super) const fn blocks(self) -> usize {
        self.subframes() - 2
    }

    fn parts(self) -> &'static [Part] {
        let (parts, count) = match self {
            Self::Ms20 => &PARTS_20,
            Self::Ms30 => &PARTS_30,
        };
        parts.get(..*count).unwrap_or_default()
    }
}

/// One block of the adaptive codebook: three vectors and their gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Choice {
    pub(super) index: [usize; STAGES],
    pub(super) gain: [usize; STAGES],
}

/// The numbers of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) lsf: [[usize; 3]; 2],
    /// First of the two sub-frames of the start state, from 1.
    pub(super) start: usize,
    /// Whether the scalar part of the start state comes first.
    pub(super) scalars_first: bool,
    pub(super) scale: usize,
    pub(super) scalars: [usize; STATE_SCALARS_MAX],
    pub(super) rest: Choice,
    pub(super) blocks: [Choice; 4],
    /// The last bit: the sender had nothing to send.
    pub(super) empty: bool,
}

impl Frame {
    pub(super) const EMPTY: Self = Self {
        lsf: [[0; 3]; 2],
        start: 0,
        scalars_first: false,
        scale: 0,
        scalars: [0; STATE_SCALARS_MAX],
        rest: Choice { index: [0; STAGES], gain: [0; STAGES] },
        blocks: [Choice { index: [0; STAGES], gain: [0; STAGES] }; 4],
        empty: false,
    };

    /// Whether it can be decoded: RFC 3951 §3.8, §4 (start index 0 or beyond the frame, or the last bit set, mean a lost frame).
    pub(super) const fn is_whole(&self, mode: Mode) -> bool {
        !self.empty && self.start >= 1 && self.start < mode.subframes()
    }

    /// Reads a frame. Octets that are missing count as zeros.
    pub(super) fn read(mode: Mode, octets: &[u8]) -> Self {
        let mut bits = Bits::new(octets);
        let mut numbers = [0; NUMBERS_MAX];
        for part in mode.parts() {
            if let Some(number) = numbers.get_mut(usize::from(part.number)) {
                *number = *number << part.width | bits.take(part.width);
            }
        }
        let mut frame = Self::EMPTY;
        let mut next = numbers.iter();
        frame.visit(mode, &mut |number| *number = next.next().copied().unwrap_or_default());
        for index in &mut frame.blocks[0].index[1..] {
            *index = widened(*index);
        }
        frame.empty = bits.take(1) == 1;
        frame
    }

    /// Writes a frame.
    pub(super) fn write(&self, mode: Mode, octets: &mut [u8]) {
        let mut frame = *self;
        for index in &mut frame.blocks[0].index[1..] {
            *index = narrowed(*index);
        }
        let mut numbers = [0; NUMBERS_ROOM];
        let mut next = numbers.iter_mut();
        frame.visit(mode, &mut |number| {
            if let Some(to) = next.next() {
                *to = *number as u64;
            }
        });
        // The last bit of the frame stays 0: there is a frame.
        let mut words = [[0; 4]; OCTETS_MAX.div_ceil(4)];
        let mut next = words.iter_mut();
        let (mut pending, mut count) = (0, 0);
        for part in mode.parts() {
            let number = numbers[usize::from(part.number) % NUMBERS_ROOM];
            pending = pending << part.width | (number >> part.later & ((1 << part.width) - 1));
            count += u32::from(part.width);
            if count >= u32::BITS {
                count -= u32::BITS;
                if let Some(word) = next.next() {
                    *word = ((pending >> count) as u32).to_be_bytes();
                }
            }
        }
        if let Some(word) = next.next() {
            *word = ((pending << (u32::BITS - count)) as u32).to_be_bytes();
        }
        for (octet, written) in octets.iter_mut().zip(words.as_flattened()) {
            *octet = *written;
        }
    }

    /// Every number in the order of the packet.
    fn visit(&mut self, mode: Mode, with: &mut impl FnMut(&mut usize)) {
        self.lsf[..mode.sets()].as_flattened_mut().iter_mut().for_each(&mut *with);
        with(&mut self.start);
        let mut first = usize::from(self.scalars_first);
        with(&mut first);
        self.scalars_first = first == 1;
        with(&mut self.scale);
        self.scalars[..mode.state_scalars()].iter_mut().for_each(&mut *with);
        self.rest.index.iter_mut().for_each(&mut *with);
        self.rest.gain.iter_mut().for_each(&mut *with);
        let blocks = &mut self.blocks[..mode.blocks()];
        blocks.iter_mut().for_each(|block| block.index.iter_mut().for_each(&mut *with));
        blocks.iter_mut().for_each(|block| block.gain.iter_mut().for_each(&mut *with));
    }
}

/// Indices of the second and third stage of the first block use less of the codebook and one bit less.
const fn narrowed(index: usize) -> usize {
    match index {
        108..172 => index - 64,
        236.. => index - 128,
        _ => index,
    }
}

const fn widened(index: usize) -> usize {
    match index {
        44..108 => index + 64,
        108..128 => index + 128,
        _ => index,
    }
}

/// Reads bits, most significant first.
struct Bits {
    /// The octets and zeros after them.
    octets: [u8; 64],
    at: usize,
}

impl Bits {
    fn new(octets: &[u8]) -> Self {
        let mut bits = Self { octets: [0; 64], at: 0 };
        for (to, octet) in bits.octets.iter_mut().zip(octets) {
            *to = *octet;
        }
        bits
    }

    /// Reads 1 to 8 bits.
    fn take(&mut self, count: u8) -> usize {
        let pair = self.octets.get(self.at / 8..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        let value = (u16::from_be_bytes(pair) << (self.at % 8)) >> (16 - count);
        self.at += usize::from(count);
        value.into()
    }
}

/// Bits of a number that stand together in the packet.
#[derive(Clone, Copy)]
struct Part {
    number: u8,
    width: u8,
    /// Bits of the number that come later.
    later: u8,
}

/// The parts of a frame in the order of the packet, and how many.
const fn parts(widths: &([Width; NUMBERS_MAX], usize)) -> ([Part; PARTS_MAX], usize) {
    let (mut parts, mut count) = ([Part { number: 0, width: 0, later: 0 }; PARTS_MAX], 0);
    let mut class = 0;
    while class < 3 {
        let mut number = 0;
        while number < widths.1 {
            let width = widths.0[number];
            if width[class] > 0 {
                let later = match class {
                    0 => width[1] + width[2],
                    1 => width[2],
                    _ => 0,
                };
                parts[count] = Part { number: number as u8, width: width[class], later };
                count += 1;
            }
            number += 1;
        }
        class += 1;
    }
    (parts, count)
}

static PARTS_20: ([Part; PARTS_MAX], usize) = parts(&WIDTHS_20);
static PARTS_30: ([Part; PARTS_MAX], usize) = parts(&WIDTHS_30);

/// Widths that differ between the modes.
struct Differing {
    sets: usize,
    start: Width,
    scalars: usize,
    rest_index: [Width; 3],
    rest_gain: [Width; 3],
    index: &'static [[Width; 3]],
    gain: &'static [[Width; 3]],
}

const WIDTHS_20: ([Width; NUMBERS_MAX], usize) = in_order(&Differing {
    sets: 1,
    start: [2, 0, 0],
    scalars: 57,
    rest_index: [[6, 0, 1], [0, 0, 7], [0, 0, 7]],
    rest_gain: [[2, 0, 3], [1, 1, 2], [0, 0, 3]],
    index: &[[[7, 0, 1], [0, 0, 7], [0, 0, 7]], [[0, 0, 8], [0, 0, 8], [0, 0, 8]]],
    gain: &[[[1, 2, 2], [1, 1, 2], [0, 0, 3]], [[1, 1, 3], [0, 2, 2], [0, 0, 3]]],
});
const WIDTHS_30: ([Width; NUMBERS_MAX], usize) = in_order(&Differing {
    sets: 2,
    start: [3, 0, 0],
    scalars: 58,
    rest_index: [[4, 2, 1], [0, 0, 7], [0, 0, 7]],
    rest_gain: [[1, 1, 3], [1, 1, 2], [0, 0, 3]],
    index: &[
        [[6, 1, 1], [0, 0, 7], [0, 0, 7]],
        [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
        [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
        [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
    ],
    gain: &[
        [[1, 2, 2], [1, 2, 1], [0, 0, 3]],
        [[0, 2, 3], [0, 2, 2], [0, 0, 3]],
        [[0, 1, 4], [0, 1, 3], [0, 0, 3]],
        [[0, 1, 4], [0, 1, 3], [0, 0, 3]],
    ],
});

/// All widths in the order of the packet, and how many.
const fn in_order(differing: &Differing) -> ([Width; NUMBERS_MAX], usize) {
    let (mut widths, mut count) = ([[0; 3]; NUMBERS_MAX], 0);
    let mut i = 0;
    while i < 3 * differing.sets {
        widths[count] = if i % 3 == 0 { [6, 0, 0] } else { [7, 0, 0] };
        (i, count) = (i + 1, count + 1);
    }
    widths[count] = differing.start;
    widths[count + 1] = [1, 0, 0];
    widths[count + 2] = [6, 0, 0];
    count += 3;
    i = 0;
    while i < differing.scalars {
        widths[count] = [0, 1, 2];
        (i, count) = (i + 1, count + 1);
    }
    i = 0;
    while i < 3 {
        widths[count + i] = differing.rest_index[i];
        widths[count + 3 + i] = differing.rest_gain[i];
        i += 1;
    }
    count += 6;
    i = 0;
    while i < 3 * differing.index.len() {
        widths[count + i] = differing.index[i / 3][i % 3];
        widths[count + 3 * differing.index.len() + i] = differing.gain[i / 3][i % 3];
        i += 1;
    }
    (widths, count + 6 * differing.index.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_a_frame_fill_its_octets_but_for_the_last() {
        for mode in [Mode::Ms20, Mode::Ms30] {
            let bits: usize = mode.parts().iter().map(|part| usize::from(part.width)).sum();
            assert_eq!(bits + 1, 8 * mode.octets());
        }
    }

    #[test]
    fn any_frame_reads_and_writes_alike() {
        let mut random = crate::testing::Random(71);
        for mode in [Mode::Ms20, Mode::Ms30] {
            for _ in 0..500 {
                let mut octets: Vec<u8> = (0..mode.octets()).map(|_| random.next() as u8).collect();
                *octets.last_mut().unwrap() &= 0xFE;
                let mut back = vec![0xFF; mode.octets()];
                Frame::read(mode, &octets).write(mode, &mut back);
                assert_eq!(back, octets);
            }
        }
    }

    #[test]
    fn lost_frames_are_known_by_their_start_and_their_last_bit() {
        for (mode, starts) in [(Mode::Ms20, 1..=3), (Mode::Ms30, 1..=5)] {
            for start in 0..8 {
                let frame = Frame { start, ..Frame::EMPTY };
                assert_eq!(frame.is_whole(mode), starts.contains(&start));
                assert!(!Frame { empty: true, ..frame }.is_whole(mode));
            }
        }
        assert!(!Frame::read(Mode::Ms20, &[]).is_whole(Mode::Ms20));
    }
}
