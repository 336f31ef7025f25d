//! The tone language: `freqs[/freqs…]:ms[/ms…]`.
//! ```text
//!   /   next section, or next duration; durations are used in turn and over again where there are more sections
//!   +   sum of tones    *a   amplitude of the section, 0 to 1    a~b  sweep of a frequency or of the amplitude over the section
//!   0   silence         axb  modulation: read and ignored, as it always was
//! ```
//! Shape:  at most 256 sections of at most eight tones; a section lasts at most an hour, a frequency is at most 24 kHz.
//! Errors: `SpecError`, with the place in characters from 0.
//! Source: the tone files of project-rtp, whose specs mean here what they meant there.

use std::fmt;

use crate::dtmf::Digit;

/// Most sections of a spec: 16 digits with a pause after each are 32.
const SECTIONS_MAX: usize = 256;
/// Most tones of a section.
pub(super) const TONES_MAX: usize = 8;
/// Longest section: an hour.
const MS_MAX: f64 = 3_600_000.0;
/// Highest frequency.
const HZ_MAX: f64 = 24_000.0;

/// A value that moves evenly from the start of a section to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    /// At the start.
    pub from: f32,
    /// At the end.
    pub to: f32,
}

impl Ramp {
    /// A value that stays.
    pub const fn steady(value: f32) -> Self {
        Self { from: value, to: value }
    }
}

/// Some tones together for some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Frequencies in Hz; none is silence.
    pub tones_hz: Vec<Ramp>,
    /// Peak of the sum of all tones, 1 for full scale.
    pub amplitude: Ramp,
    /// How long.
    pub ms: u32,
}

/// A sequence of sections.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    sections: Vec<Section>,
}

/// Why a spec was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecError {
    /// Character, from 0.
    pub at: usize,
    /// What is wrong there.
    pub kind: SpecErrorKind,
}

/// What can be wrong with a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecErrorKind {
    /// No `:` with durations after the frequencies.
    NoDurations,
    /// Not a number, or none where one belongs.
    BadNumber,
    /// A frequency above 24 kHz, an amplitude above 1, or a duration above an hour.
    OutOfRange,
    /// More than 256 sections, or durations, or eight tones in one section.
    TooMany,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            SpecErrorKind::NoDurations => "durations are missing: frequencies:milliseconds",
            SpecErrorKind::BadNumber => "a number is expected",
            SpecErrorKind::OutOfRange => "out of range: at most 24000 Hz, amplitude 1, 3600000 ms",
            SpecErrorKind::TooMany => "too many: at most 256 sections of 8 tones",
        };
        write!(f, "{what} (at character {})", self.at)
    }
}

impl std::error::Error for SpecError {}

impl Spec {
    /// Reads the tone language.
    ///
    /// # Errors
    /// `SpecError`: what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let whole = Part { text, at: 0 };
        let Some((tones, durations)) = text.split_once(':') else { return Err(whole.error(SpecErrorKind::NoDurations)) };
        let durations = Part { text: durations, at: tones.len() + 1 };
        let durations = durations.split('/', SECTIONS_MAX)?.into_iter().map(|part| part.number(MS_MAX)).collect::<Result<Vec<_>, _>>()?;
        let sections = Part { text: tones, at: 0 }.split('/', SECTIONS_MAX)?;
        let sections = sections.into_iter().zip(durations.iter().cycle()).map(|(part, ms)| section(part, *ms as u32));
        Ok(Self { sections: sections.collect::<Result<_, _>>()? })
    }

    /// These sections, as far as a spec holds them.
    pub fn new(sections: impl IntoIterator<Item = Section>) -> Self {
        Self { sections: sections.into_iter().take(SECTIONS_MAX).collect() }
    }

    /// The two tones of a digit, each at half of `amplitude`, and silence after it.
    pub fn digit(digit: Digit, amplitude: f32, ms: u32, pause_ms: u32) -> Self {
        let tones_hz = digit.frequencies_hz().map(|hz| Ramp::steady(f32::from(hz))).to_vec();
        let silence = Section { tones_hz: vec![], amplitude: Ramp::steady(0.0), ms: pause_ms };
        Self::new([Section { tones_hz, amplitude: Ramp::steady(amplitude), ms }, silence])
    }

    /// Its sections in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// How long it all lasts.
    pub fn ms(&self) -> u64 {
        self.sections.iter().map(|section| u64::from(section.ms)).sum()
    }
}

impl std::str::FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::parse(text)
    }
}

/// `tone+tone…`, with the amplitude of all behind any of them.
fn section(part: Part<'_>, ms: u32) -> Result<Section, SpecError> {
    let (mut tones_hz, mut amplitude) = (vec![], Ramp::steady(1.0));
    for tone in part.split('+', TONES_MAX)? {
        let (hz, level) = tone.cut('*');
        if let Some(level) = level {
            amplitude = level.ramp(1.0)?;
        }
        let (hz, modulation) = hz.cut('x');
        let hz = hz.ramp(HZ_MAX)?;
        if let Some(modulation) = modulation {
            modulation.ramp(HZ_MAX)?;
        }
        if hz != Ramp::steady(0.0) {
            tones_hz.push(hz);
        }
    }
    Ok(Section { tones_hz, amplitude, ms })
}

/// A piece of the text and where it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Part<'a> {
    const fn error(self, kind: SpecErrorKind) -> SpecError {
        SpecError { at: self.at, kind }
    }

    fn split(self, by: char, max: usize) -> Result<Vec<Self>, SpecError> {
        let mut parts = vec![];
        let mut at = self.at;
        for text in self.text.split(by) {
            let part = Self { text, at };
            if parts.len() == max {
                return Err(part.error(SpecErrorKind::TooMany));
            }
            parts.push(part);
            at += text.len() + by.len_utf8();
        }
        Ok(parts)
    }

    fn cut(self, by: char) -> (Self, Option<Self>) {
        match self.text.split_once(by) {
            Some((text, rest)) => (Self { text, at: self.at }, Some(Self { text: rest, at: self.at + text.len() + by.len_utf8() })),
            None => (self, None),
        }
    }

    /// `a`, or `a~b`.
    fn ramp(self, max: f64) -> Result<Ramp, SpecError> {
        let (from, to) = self.cut('~');
        let from = from.number(max)?;
        let to = to.map_or(Ok(from), |to| to.number(max))?;
        Ok(Ramp { from: from as f32, to: to as f32 })
    }

    fn number(self, max: f64) -> Result<f64, SpecError> {
        let plain = self.text.trim();
        // No sign, exponent or name: "inf" and "1e9" are not of this language.
        if plain.is_empty() || !plain.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
            return Err(self.error(SpecErrorKind::BadNumber));
        }
        let number: f64 = plain.parse().map_err(|_| self.error(SpecErrorKind::BadNumber))?;
        if number > max { Err(self.error(SpecErrorKind::OutOfRange)) } else { Ok(number) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hz(section: &Section) -> Vec<f32> {
        section.tones_hz.iter().map(|ramp| ramp.from).collect()
    }

    #[test]
    fn the_ringing_tone_has_four_sections() {
        let spec = Spec::parse("400+450*0.5/0/400+450*0.5/0:400/200/400/2000").unwrap();
        let sections = spec.sections();
        assert_eq!(sections.iter().map(|s| s.ms).collect::<Vec<_>>(), [400, 200, 400, 2000]);
        assert_eq!((hz(&sections[0]), hz(&sections[1])), (vec![400.0, 450.0], vec![]));
        assert_eq!((sections[0].amplitude, spec.ms()), (Ramp::steady(0.5), 3000));
    }

    #[test]
    fn durations_are_used_over_again() {
        let spec = Spec::parse("697+1209*0.5/0/697+1336*0.5/0/697+1477*0.5/0:400/100").unwrap();
        assert_eq!(spec.sections().iter().map(|s| s.ms).collect::<Vec<_>>(), [400, 100, 400, 100, 400, 100]);
        assert_eq!(Spec::parse("440:1/2/3").unwrap().ms(), 1);
    }

    #[test]
    fn sweeps_move_and_modulation_is_ignored() {
        let spec = Spec::parse("300~3400*1~0.1/440x20:5000").unwrap();
        assert_eq!(spec.sections()[0].tones_hz, [Ramp { from: 300.0, to: 3400.0 }]);
        assert_eq!(spec.sections()[0].amplitude, Ramp { from: 1.0, to: 0.1 });
        assert_eq!(spec.sections()[1].tones_hz, [Ramp::steady(440.0)]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, at, kind) in [
            ("", 0, SpecErrorKind::NoDurations),
            ("440", 0, SpecErrorKind::NoDurations),
            ("440:", 4, SpecErrorKind::BadNumber),
            ("440+:100", 4, SpecErrorKind::BadNumber),
            ("440/x:100", 4, SpecErrorKind::BadNumber),
            ("440*2:100", 4, SpecErrorKind::OutOfRange),
            ("440:100/99999999", 8, SpecErrorKind::OutOfRange),
            ("1e3:100", 0, SpecErrorKind::BadNumber),
            ("1+2+3+4+5+6+7+8+9:1", 16, SpecErrorKind::TooMany),
        ] {
            assert_eq!(Spec::parse(text), Err(SpecError { at, kind }), "{text}");
        }
        assert_eq!(Spec::parse(&format!("{}1:1", "1/".repeat(256))).unwrap_err().kind, SpecErrorKind::TooMany);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9+*/~:x. a-zé]{0,60}") {
            let _ = Spec::parse(&text);
        }
    }
}
