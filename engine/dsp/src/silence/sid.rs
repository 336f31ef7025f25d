//! The description of background noise that RTP carries: a level, and the shape of its spectrum as reflection coefficients.
//! Shape:  1 to 13 octets: level, then up to twelve coefficients; a receiver may use fewer than it gets.
//! Units:  level in -dBov, 0 to 127; a coefficient k as 127 k + 127.
//! Errors: `None` for a payload without a level; coefficients past the twelfth are left out, as the RFC allows.
//! Source: RFC 3389 §3.

use crate::meter::Energy;

/// Most coefficients that are read or written.
pub const ORDER_MAX: usize = 12;
/// Weight of a new frame in the average of the background: 1/8.
const WEIGHT: f32 = 0.125;

/// A silence descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sid {
    level: u8,
    coefficients: [u8; ORDER_MAX],
    order: usize,
}

impl Sid {
    /// White noise of this level in -dBov, at most 127.
    pub fn white(level: u8) -> Self {
        Self { level: level.min(127), coefficients: [127; ORDER_MAX], order: 0 }
    }

    /// Reads a payload. The top bit of the level is to be ignored.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (level, rest) = payload.split_first()?;
        let mut sid = Self::white(level & 0x7F);
        for (to, from) in sid.coefficients.iter_mut().zip(rest) {
            *to = *from;
            sid.order += 1;
        }
        Some(sid)
    }

    /// Writes the payload; returns its length, or `None` if there is no room.
    pub fn write(&self, payload: &mut [u8]) -> Option<usize> {
        let (level, rest) = payload.split_first_mut()?;
        *level = self.level;
        rest.get_mut(..self.order)?.copy_from_slice(&self.coefficients[..self.order]);
        Some(1 + self.order)
    }

    /// Level in -dBov.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Reflection coefficients, each between -1 and 1.
    pub fn reflections(&self) -> impl Iterator<Item = f32> {
        // 255 would be 1.008 and a filter that grows.
        self.coefficients.into_iter().take(self.order).map(|n| ((f32::from(n) - 127.0) / 127.0).clamp(-0.995, 0.995))
    }
}

/// Background noise as it is heard, to be described.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Background {
    correlation: [f32; ORDER_MAX + 1],
}

impl Background {
    /// Nothing heard yet.
    pub const fn new() -> Self {
        Self { correlation: [0.0; ORDER_MAX + 1] }
    }

    /// Takes a frame without speech into the average; an empty one changes nothing.
    pub fn listen(&mut self, frame: &[i16]) {
        if frame.is_empty() {
            return;
        }
        let weight = if self.correlation[0] == 0.0 { 1.0 } else { WEIGHT };
        for (lag, average) in self.correlation.iter_mut().enumerate() {
            let sum: i64 = frame.iter().zip(frame.iter().skip(lag)).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
            *average += (sum as f32 / frame.len() as f32 - *average) * weight;
        }
    }

    /// Describes it with `order` coefficients, at most twelve.
    pub fn describe(&self, order: usize) -> Sid {
        let power = self.correlation[0];
        let energy = Energy { squares: power.max(0.0) as u64, samples: 1 };
        let mut sid = Sid::white(energy.minus_dbov());
        let order = order.min(ORDER_MAX);
        for (to, k) in sid.coefficients.iter_mut().zip(self.reflections(order)) {
            *to = (127.0 * k + 127.0).round().clamp(0.0, 254.0) as u8;
        }
        sid.order = if power > 0.0 { order } else { 0 };
        sid
    }

    /// Schur-Levinson recursion.
    fn reflections(&self, order: usize) -> [f32; ORDER_MAX] {
        let (mut a, mut k) = ([0.0_f32; ORDER_MAX + 1], [0.0; ORDER_MAX]);
        let mut error = self.correlation[0] * 1.0001; // a floor 40 dB down keeps tones from ringing for ever
        for i in 0..order {
            if error <= 0.0 {
                break;
            }
            let sum: f32 = (0..i).map(|j| a[j] * self.correlation[i - j]).sum();
            k[i] = ((self.correlation[i + 1] - sum) / error).clamp(-0.995, 0.995);
            let before = a;
            a[i] = k[i];
            for j in 0..i {
                a[j] = before[j] - k[i] * before[i - 1 - j];
            }
            error *= 1.0 - k[i] * k[i];
        }
        k
    }
}

impl Default for Background {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_go_both_ways() {
        for payload in [&[50][..], &[127, 0, 254], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]] {
            let mut out = [0; 13];
            let len = Sid::parse(payload).unwrap().write(&mut out).unwrap();
            assert_eq!(&out[..len], payload);
        }
        assert_eq!(Sid::parse(&[]), None);
        assert_eq!(Sid::parse(&[0x80 | 40]).map(|sid| sid.level()), Some(40));
        assert_eq!(Sid::parse(&[0; 40]).map(|sid| sid.reflections().count()), Some(12));
        assert_eq!(Sid::parse(&[1, 2]).unwrap().write(&mut [0]), None);
        assert!(Sid::parse(&[1, 0, 255]).unwrap().reflections().all(|k| k.abs() < 1.0));
    }

    #[test]
    fn silence_is_described_without_a_shape() {
        let mut background = Background::new();
        background.listen(&[0; 160]);
        background.listen(&[]);
        let sid = background.describe(10);
        assert_eq!((sid.level(), sid.reflections().count()), (127, 0));
    }
}
