//! G.722 without CPU features: the portable lanes, and the scalar reference lane by lane.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Source: `super::lanes`, `super::scalar`.

macro_rules! level {
    ($(#[$doc:meta])* $level:ident, $token:ident) => {
        $(#[$doc])*
        pub(super) mod $level {
            use crate::g722::Mode;
            use crate::g722::column::Column;
            use crate::g722::lanes::{self, Tick};
            use crate::g722::rows::Rows;
            use crate::lanes::$token;

            pub(in crate::g722) fn encode(tick: &mut Tick<'_>, samples: &[&[i16]], octets: &mut [u8]) {
                lanes::encode($token, tick, samples, octets);
            }
            pub(in crate::g722) fn decode(mode: Mode, tick: &mut Tick<'_>, octets: &[&[u8]], samples: &mut [i16]) {
                lanes::decode($token, mode, tick, octets, samples);
            }
            pub(in crate::g722) fn insert(columns: &[Column], rows: &mut Rows) {
                lanes::insert($token, columns, rows);
            }
            pub(in crate::g722) fn extract(rows: &Rows, columns: &mut [Column]) {
                lanes::extract($token, rows, columns);
            }
        }
    };
}

level!(
    /// Eight lanes of any CPU.
    portable,
    PORTABLE
);
#[cfg(all(test, target_arch = "x86_64"))]
level!(
    /// Eight lanes as other CPUs than this have them.
    arrays,
    Array
);

/// One channel after the other.
pub(super) mod one_by_one {
    use crate::g722::column::Column;
    use crate::g722::lanes::Tick;
    use crate::g722::rows::{LANES, Rows};
    use crate::g722::{Mode, scalar};

    pub(in crate::g722) fn encode(tick: &mut Tick<'_>, samples: &[&[i16]], octets: &mut [u8]) {
        let frames = octets.chunks_mut(tick.octets.max(1)).zip(samples).enumerate().take(LANES);
        for (lane, (octets, samples)) in frames.filter(|(lane, _)| tick.live >> lane & 1 != 0) {
            let mut column = tick.rows.extract(lane);
            scalar::encode(&mut column, samples, octets);
            tick.rows.insert(lane, &column);
        }
    }
    pub(in crate::g722) fn decode(mode: Mode, tick: &mut Tick<'_>, octets: &[&[u8]], samples: &mut [i16]) {
        let frames = samples.chunks_mut(2 * tick.octets.max(1)).zip(octets).enumerate().take(LANES);
        for (lane, (samples, octets)) in frames.filter(|(lane, _)| tick.live >> lane & 1 != 0) {
            let mut column = tick.rows.extract(lane);
            scalar::decode(&mut column, mode, octets, samples);
            tick.rows.insert(lane, &column);
        }
    }
    pub(in crate::g722) fn insert(columns: &[Column], rows: &mut Rows) {
        for (lane, column) in columns.iter().enumerate().take(LANES) {
            rows.insert(lane, column);
        }
    }
    pub(in crate::g722) fn extract(rows: &Rows, columns: &mut [Column]) {
        for (lane, column) in columns.iter_mut().enumerate().take(LANES) {
            *column = rows.extract(lane);
        }
    }
}
