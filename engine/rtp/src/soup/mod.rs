//! Sound soups: what a channel plays, as a list of parts of files with repeats.
//!
//! ```text
//!   Soup { repeat, entries: [ Entry { names, start, stop, repeat } ] } ──► load (driver) ──► Play ──► frames
//! ```
//! Shape:  at most [`ENTRIES_MAX`] entries; an entry names the same sound in up to seven encodings and the one that suits
//!         the channel's codec best is opened. The driver puts the decoded [`Sound`] in; only then can a soup be played.
//! Units:  milliseconds of the file for `start_ms` and `stop_ms`.
//! Repeats: [`Repeat::Times`] counts plays *beside* the first, for an entry and for the whole list.
//! Errors: none here; JSON is read in `control_http::json`, files in `engine::files`.
//! Source: `docs/openapi.yaml`, `Soup`; the orders of preference are those of project-rtp.

mod cursor;

use std::sync::Arc;

pub use cursor::Cursor;

use crate::sound::Sound;

/// Most entries of a soup: the digits and words of any announcement fit several times over.
pub const ENTRIES_MAX: usize = 128;
/// Longest name of a file, in bytes; that of Linux for a path is 4096, ours are short.
pub const NAME_MAX: usize = 1024;

/// How often something is played again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// So many times beside the first.
    Times(u32),
    /// Until something ends it.
    Forever,
}

impl Default for Repeat {
    fn default() -> Self {
        Self::Times(0)
    }
}

/// What a channel plays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Soup {
    /// Of the whole list.
    pub repeat: Repeat,
    /// Played in order, without a gap.
    pub entries: Vec<Entry>,
    /// A digit of the far end ends it.
    pub interrupt: bool,
    /// Why it cannot be played, where the driver found out: which file and what is wrong with it.
    pub failure: Option<String>,
}

/// Part of a sound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// Files with the sound, by encoding.
    pub names: Names,
    /// Where it begins.
    pub start_ms: Option<u32>,
    /// Where it ends; behind the end of the file means that end.
    pub stop_ms: Option<u32>,
    /// Of this entry.
    pub repeat: Repeat,
    /// The sound, once the driver has read it.
    pub sound: Option<Arc<Sound>>,
}

/// Encodings a file may be given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKey {
    /// A WAV file, which says itself what is in it.
    Wav,
    /// Raw G.711 A-law.
    Pcma,
    /// Raw G.711 mu-law.
    Pcmu,
    /// Linear, 16 bits, 8 kHz.
    L168k,
    /// Linear, 16 bits, 16 kHz.
    L1616k,
    /// Raw iLBC.
    Ilbc,
    /// Raw G.722, 64 kbit/s.
    G722,
}

impl FileKey {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Wav, Self::Pcma, Self::Pcmu, Self::L168k, Self::L1616k, Self::Ilbc, Self::G722];

    /// Key in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Pcma => "pcma",
            Self::Pcmu => "pcmu",
            Self::L168k => "l168k",
            Self::L1616k => "l1616k",
            Self::Ilbc => "ilbc",
            Self::G722 => "g722",
        }
    }
}

/// Names of one sound by encoding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names([Option<Arc<str>>; FileKey::ALL.len()]);

impl Names {
    /// The name of one encoding.
    pub fn get(&self, key: FileKey) -> Option<&Arc<str>> {
        self.0.get(key as usize)?.as_ref()
    }

    /// Gives an encoding its name.
    pub fn set(&mut self, key: FileKey, name: Arc<str>) {
        if let Some(place) = self.0.get_mut(key as usize) {
            *place = Some(name);
        }
    }

    /// No file at all.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The file to open for a channel that sends `codec` (its name in the statistics): the one that loses least on the way.
    pub fn choose(&self, codec: &str) -> Option<(FileKey, &Arc<str>)> {
        preference(codec).into_iter().find_map(|key| Some((key, self.get(key)?)))
    }
}

/// The order in which files are wanted by codec.
const fn preference(codec: &str) -> [FileKey; 7] {
    use FileKey::{G722, Ilbc, L168k, L1616k, Pcma, Pcmu, Wav};
    match codec.as_bytes() {
        b"PCMA" => [Pcma, Pcmu, L168k, L1616k, Ilbc, G722, Wav],
        b"G722" | b"L16/16000" => [G722, L1616k, L168k, Pcma, Pcmu, Ilbc, Wav],
        b"iLBC" => [Ilbc, L168k, Pcma, Pcmu, L1616k, G722, Wav],
        _ => [Pcmu, Pcma, L168k, L1616k, Ilbc, G722, Wav],
    }
}

/// Sample rate of a codec by its name, which is the rate its sounds are kept at.
pub const fn rate_hz(codec: &str) -> u32 {
    match codec.as_bytes() {
        b"G722" | b"L16/16000" => 16_000,
        _ => 8000,
    }
}

impl Entry {
    /// An entry of a WAV file.
    pub fn wav(name: &str) -> Self {
        let mut names = Names::default();
        names.set(FileKey::Wav, name.into());
        Self { names, ..Self::default() }
    }

    /// First and last sample, the latter excluded, of what is played of a sound.
    pub fn part(&self, sound: &Sound) -> (usize, usize) {
        let at = |ms: u32| (u64::from(ms) * u64::from(sound.rate_hz()) / 1000).min(sound.samples().len() as u64) as usize;
        let start = self.start_ms.map_or(0, at);
        (start, self.stop_ms.map_or(sound.samples().len(), at).max(start))
    }
}

impl Soup {
    /// A new soup on a channel goes on where the old one is if the entry there is of the same file.
    pub fn continues(&self, old: &Self, index: usize) -> bool {
        match (old.entries.get(index), self.entries.get(index)) {
            (Some(old), Some(new)) => FileKey::ALL.into_iter().any(|key| old.names.get(key).is_some_and(|n| new.names.get(key) == Some(n))),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Names {
        let mut names = Names::default();
        for key in FileKey::ALL {
            names.set(key, key.key().into());
        }
        names
    }

    /// The whole order in which files of an entry are taken.
    fn order(codec: &str) -> Vec<&'static str> {
        let mut names = all();
        std::iter::from_fn(|| {
            let key = names.choose(codec)?.0;
            names.0[key as usize] = None;
            Some(key.key())
        })
        .collect()
    }

    #[test]
    fn every_codec_has_its_order_of_preference() {
        assert_eq!(order("PCMU"), ["pcmu", "pcma", "l168k", "l1616k", "ilbc", "g722", "wav"]);
        assert_eq!(order("PCMA"), ["pcma", "pcmu", "l168k", "l1616k", "ilbc", "g722", "wav"]);
        assert_eq!(order("G722"), ["g722", "l1616k", "l168k", "pcma", "pcmu", "ilbc", "wav"]);
        assert_eq!(order("iLBC"), ["ilbc", "l168k", "pcma", "pcmu", "l1616k", "g722", "wav"]);
        assert_eq!((rate_hz("G722"), rate_hz("iLBC"), rate_hz("L16/16000")), (16_000, 8000, 16_000));
    }

    #[test]
    fn a_part_stays_inside_its_sound() {
        let sound = Sound::new(8000, vec![0; 8000]);
        let part = |start, stop| Entry { start_ms: start, stop_ms: stop, ..Entry::default() }.part(&sound);
        assert_eq!(part(None, None), (0, 8000));
        assert_eq!(part(Some(250), Some(500)), (2000, 4000));
        assert_eq!(part(Some(500), Some(250)), (4000, 4000), "nothing, not a panic");
        assert_eq!(part(Some(5000), None), (8000, 8000));
        assert_eq!(part(None, Some(u32::MAX)), (0, 8000));
    }

    #[test]
    fn an_update_continues_where_the_same_file_is_at_the_same_place() {
        let soup = |names: &[&str]| Soup { entries: names.iter().map(|n| Entry::wav(n)).collect(), ..Soup::default() };
        let old = soup(&["a.wav", "b.wav"]);
        assert!(soup(&["x.wav", "b.wav"]).continues(&old, 1));
        assert!(!soup(&["x.wav", "b.wav"]).continues(&old, 0));
        assert!(!soup(&["a.wav"]).continues(&old, 1));
        let mut other = Soup { entries: vec![Entry { names: all(), ..Entry::default() }], ..Soup::default() };
        other.entries[0].names.set(FileKey::Wav, "a.wav".into());
        assert!(other.continues(&old, 0), "one name in common is the same sound");
    }
}
