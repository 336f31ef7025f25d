//! How good what comes in sounds, as far as packets tell: the E-model with what is known.
//!
//! ```text
//!   R = 93.2 - Id(delay) - Ie,eff(codec, loss)          MOS = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6
//! ```
//! Shape:  a function of figures that the channel has anyway; `None` before a second was heard.
//! Units:  loss in percent, delay one way in ms; MOS 1 to 4.5.
//! Limits: losses count as random. Wideband gets no better mark than G.711: the scale is that of the narrow band.
//! Errors: none.
//! Source: ITU-T G.107 §7 (defaults of all else), G.113 appendix I for G.711; the values of iLBC are our estimate, next to
//!         those of G.729 A.

use crate::format::Codec;

/// Packets before which nothing is said: a second of 20 ms.
const PACKETS_LEAST: u64 = 50;
/// With all parameters at their defaults.
const R_BEST: f64 = 93.2;

/// What is known.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Packets used.
    pub played: u64,
    /// Packets lost or too late.
    pub missing: u64,
    /// Encoding.
    pub codec: Option<Codec>,
    /// Whether losses are made up for on our side.
    pub conceals: bool,
    /// Round trip, ms.
    pub rtt_ms: Option<f64>,
    /// Time in the jitter buffer, ms.
    pub buffer_ms: Option<f64>,
}

/// The mark.
pub fn mos(heard: &Heard) -> Option<f64> {
    if heard.played < PACKETS_LEAST {
        return None;
    }
    let (impairment, robustness) = match heard.codec {
        Some(Codec::Ilbc(_)) => (11.0, 32.0),
        // With and without the concealment of G.711 appendix I.
        _ => (0.0, if heard.conceals { 25.1 } else { 4.3 }),
    };
    let loss = 100.0 * heard.missing as f64 / (heard.played + heard.missing) as f64;
    let effective = impairment + (95.0 - impairment) * loss / (loss + robustness);
    let delay = heard.rtt_ms.unwrap_or(0.0) / 2.0 + heard.buffer_ms.unwrap_or(0.0);
    let delayed = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let r = (R_BEST - delayed - effective).clamp(0.0, 100.0);
    Some((1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: Heard = Heard { played: 1000, missing: 0, codec: Some(Codec::Pcmu), conceals: false, rtt_ms: None, buffer_ms: None };

    fn mark(heard: &Heard) -> f64 {
        mos(heard).unwrap()
    }

    #[test]
    fn nothing_is_said_before_a_second_was_heard() {
        assert_eq!(mos(&Heard { played: 49, ..CLEAN }), None);
        assert_eq!(mos(&Heard { played: 0, missing: 500, ..CLEAN }), None);
    }

    #[test]
    fn marks_are_those_of_the_model() {
        // G.107: R of 93.2 is 4.41.
        assert!((mark(&CLEAN) - 4.41).abs() < 0.01);
        let lossy = Heard { missing: 31, ..CLEAN };
        assert!(mark(&lossy) < 3.2 && mark(&Heard { conceals: true, ..lossy }) > 4.0);
        let far = Heard { rtt_ms: Some(600.0), ..CLEAN };
        assert!((3.5..3.8).contains(&mark(&far)), "{}", mark(&far));
        let ilbc = Heard { codec: Some(Codec::Ilbc(dsp::ilbc::Mode::Ms20)), ..CLEAN };
        assert!((4.0..4.2).contains(&mark(&ilbc)));
        assert!(mark(&Heard { missing: 1000, ..CLEAN }) < 1.2);
    }
}
