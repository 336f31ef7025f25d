//! Which SIMD variant runs, chosen once at start.
//!   `Kernels::best()` or `Kernels::named("avx2")` ──► one table of functions, passed down as `&Kernels`
//! Shape:  four levels: `avx512` (32 lanes of 16 bits), `avx2` (16), `portable` (8, any CPU), `scalar` (the reference).
//! Rule:   a `Level` exists only where the CPU can run it, so whoever holds one need not ask again; no kernel tests a feature.
//! Errors: `LevelError` for a name that is unknown or a level that this CPU lacks.
//! Not here: reading configuration or environment; the caller brings the name.

use std::fmt;

use crate::dtmf::Dtmf;
use crate::g711::G711;
use crate::g722::G722;
use crate::ilbc::Ilbc;
use crate::meter::Meter;
use crate::mix::Mix;
use crate::resample::Resample;

/// A SIMD level that this CPU can run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Level(Isa);

/// Instruction set of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
    Scalar,
}

/// Names of all levels, fastest first, whether this CPU has them or not.
pub const LEVEL_NAMES: [&str; 4] = ["avx512", "avx2", "portable", "scalar"];

/// Why a level cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelError {
    /// Not one of `LEVEL_NAMES`.
    Unknown(String),
    /// This CPU lacks the instructions.
    Unsupported(&'static str),
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "no SIMD level is named {name:?}; there are {}", LEVEL_NAMES.join(", ")),
            Self::Unsupported(name) => write!(f, "this CPU cannot run the SIMD level {name}"),
        }
    }
}

impl std::error::Error for LevelError {}

impl Level {
    /// Every level that this CPU can run, fastest first; `scalar` is always last.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(test)]
        return Self::all().filter(|level| crate::testing::wants(level.name()));
        #[cfg(not(test))]
        Self::all()
    }

    fn all() -> impl Iterator<Item = Self> {
        detected().chain([Self(Isa::Portable), Self(Isa::Scalar)])
    }

    /// The fastest level that this CPU can run.
    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self(Isa::Portable))
    }

    /// A level by its name.
    ///
    /// # Errors
    /// `Unknown` for a name not in `LEVEL_NAMES`, `Unsupported` if this CPU lacks the instructions.
    pub fn named(name: &str) -> Result<Self, LevelError> {
        let known = LEVEL_NAMES.into_iter().find(|known| *known == name).ok_or_else(|| LevelError::Unknown(name.to_owned()))?;
        Self::all().find(|level| level.name() == known).ok_or(LevelError::Unsupported(known))
    }

    /// One of `LEVEL_NAMES`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
            Isa::Scalar => "scalar",
        }
    }

    pub(crate) const fn isa(self) -> Isa {
        self.0
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
fn detected() -> impl Iterator<Item = Level> {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("avx512vnni");
    [avx512.then_some(Level(Isa::Avx512)), avx2.then_some(Level(Isa::Avx2))].into_iter().flatten()
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> impl Iterator<Item = Level> {
    [].into_iter()
}

/// Every kernel of the crate at one level. Small and `Copy`: take it once, pass `&Kernels`.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    level: Level,
    /// A-law, mu-law and linear into each other.
    pub g711: G711,
    /// G.722 in lanes.
    pub g722: G722,
    /// iLBC.
    pub ilbc: Ilbc,
    /// Sums of speakers, and what each of them hears.
    pub mix: Mix,
    /// How loud a frame is.
    pub meter: Meter,
    /// Digits in the audio.
    pub dtmf: Dtmf,
    /// 8 kHz and 16 kHz into each other.
    pub resample: Resample,
}

impl Kernels {
    /// The kernels of a level.
    pub fn new(level: Level) -> Self {
        Self {
            level,
            g711: G711::new(level),
            g722: G722::new(level),
            ilbc: Ilbc::new(level),
            mix: Mix::new(level),
            meter: Meter::new(level),
            dtmf: Dtmf::new(level),
            resample: Resample::new(level),
        }
    }

    /// The kernels of [`Level::best`].
    pub fn best() -> Self {
        Self::new(Level::best())
    }

    /// The kernels of a level by its name.
    ///
    /// # Errors
    /// As `Level::named`.
    pub fn named(name: &str) -> Result<Self, LevelError> {
        Level::named(name).map(Self::new)
    }

    /// Every set that this CPU can run, fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Level::available().map(Self::new)
    }

    /// The level of these kernels.
    pub const fn level(&self) -> Level {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_and_portable_run_everywhere() {
        let names: Vec<_> = Level::available().map(Level::name).collect();
        assert!(names.ends_with(&["portable", "scalar"]));
        for missing in LEVEL_NAMES.into_iter().filter(|name| !names.contains(name)) {
            println!("not tested here: {missing}, this CPU lacks it");
        }
    }

    #[test]
    fn a_level_can_be_forced_by_name() {
        assert_eq!(Kernels::named("portable").map(|k| k.level().name()), Ok("portable"));
        assert_eq!(Level::named("neon"), Err(LevelError::Unknown("neon".to_owned())));
    }
}
