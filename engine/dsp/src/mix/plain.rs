//! Mixing without CPU features: the portable lanes, and one sample at a time.
//! Shape:  as `super::lanes`.
//! Errors: none.
//! Source: the definitions in `super::Mix`.

/// Lanes as arrays.
pub(super) mod portable {
    use crate::lanes::PORTABLE;
    use crate::mix::lanes;

    pub(in crate::mix) fn add(sum: &mut [i32], frame: &[i16]) {
        lanes::add(PORTABLE, sum, frame);
    }
    pub(in crate::mix) fn add_four(sum: &mut [i32], frames: [&[i16]; 4]) {
        lanes::add_four(PORTABLE, sum, frames);
    }
    pub(in crate::mix) fn without(sum: &[i32], own: &[i16], out: &mut [i16]) {
        lanes::without(PORTABLE, sum, own, out);
    }
    pub(in crate::mix) fn without_soft(sum: &[i32], own: &[i16], out: &mut [i16]) {
        lanes::without_soft(PORTABLE, sum, own, out);
    }
}

/// One sample at a time.
pub(super) mod scalar {
    pub(in crate::mix) fn add(sum: &mut [i32], frame: &[i16]) {
        for (sum, x) in sum.iter_mut().zip(frame) {
            *sum += i32::from(*x);
        }
    }
    pub(in crate::mix) fn add_four(sum: &mut [i32], frames: [&[i16]; 4]) {
        frames.into_iter().for_each(|frame| add(sum, frame));
    }
    pub(in crate::mix) fn without(sum: &[i32], own: &[i16], out: &mut [i16]) {
        for ((sum, own), out) in sum.iter().zip(own).zip(out) {
            *out = (sum - i32::from(*own)).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }
    pub(in crate::mix) fn without_soft(sum: &[i32], own: &[i16], out: &mut [i16]) {
        for ((sum, own), out) in sum.iter().zip(own).zip(out) {
            let x = sum - i32::from(*own);
            let over = i64::from(x.abs() - 24576).max(0);
            let bent = i64::from(x.abs()) - over + 8191 * over / (over + 8191);
            *out = if x < 0 { -bent } else { bent } as i16;
        }
    }
}
