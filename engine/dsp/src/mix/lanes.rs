//! The mixing loops over rows, generic over the lane type.
//! Shape:  slices of one length.
//! Speed:  soft limiting looks at a row first: where nothing is above the knee, which is nearly always, it is the plain way out.
//! Errors: none.

use crate::lanes::Lanes;

/// Where the soft limiter begins to bend.
const KNEE: i32 = 24576;
/// What is left above it.
const ROOM: i32 = 32767 - KNEE;

#[inline(always)]
pub(super) fn add<L: Lanes>(l: L, sum: &mut [i32], frame: &[i16]) {
    let (sums, sum_rest) = l.sums_of_mut(sum);
    let (rows, frame_rest) = l.rows(frame);
    for (sums, row) in sums.iter_mut().zip(rows) {
        let (a, b) = (l.load_sums(sums), l.load_wider(row));
        l.store_sums((l.add_wide(a.0, b.0), l.add_wide(a.1, b.1)), sums);
    }
    for (sum, x) in sum_rest.iter_mut().zip(frame_rest) {
        *sum += i32::from(*x);
    }
}

#[inline(always)]
pub(super) fn add_four<L: Lanes>(l: L, sum: &mut [i32], frames: [&[i16]; 4]) {
    let (sums, sum_rest) = l.sums_of_mut(sum);
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] = frames.map(|frame| l.rows(frame));
    for ((((sums, a), b), c), d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        let ((a, b), (c, d)) = ((l.load_wider(a), l.load_wider(b)), (l.load_wider(c), l.load_wider(d)));
        let sum = l.load_sums(sums);
        let first = l.add_wide(l.add_wide(a.0, b.0), l.add_wide(c.0, d.0));
        let second = l.add_wide(l.add_wide(a.1, b.1), l.add_wide(c.1, d.1));
        l.store_sums((l.add_wide(sum.0, first), l.add_wide(sum.1, second)), sums);
    }
    for ((((sum, a), b), c), d) in sum_rest.iter_mut().zip(a_rest).zip(b_rest).zip(c_rest).zip(d_rest) {
        *sum += i32::from(*a) + i32::from(*b) + i32::from(*c) + i32::from(*d);
    }
}

#[inline(always)]
pub(super) fn without<L: Lanes>(l: L, sum: &[i32], own: &[i16], out: &mut [i16]) {
    let (sums, sum_rest) = l.sums_of(sum);
    let ((rows, own_rest), (outs, out_rest)) = (l.rows(own), l.rows_mut(out));
    for ((sums, row), out) in sums.iter().zip(rows).zip(outs) {
        let (a, b) = (l.load_sums(sums), l.load_wider(row));
        l.store(l.pack(l.sub_wide(a.0, b.0), l.sub_wide(a.1, b.1)), out);
    }
    for ((sum, own), out) in sum_rest.iter().zip(own_rest).zip(out_rest) {
        *out = saturate(sum - i32::from(*own));
    }
}

#[inline(always)]
pub(super) fn without_soft<L: Lanes>(l: L, sum: &[i32], own: &[i16], out: &mut [i16]) {
    without(l, sum, own, out);
    let (rows, rest) = l.rows(out);
    // Saturated values are above the knee too, so one look at 16 bits is enough: x + 24576 is 0 to 49152 below it.
    let mut bent = rest.iter().any(|x| i32::from(*x).abs() > KNEE);
    for row in rows {
        let x = l.load(row);
        let above = l.sub_sat(l.max(x, l.sub_sat(l.splat(0), x)), l.splat(KNEE as i16));
        bent |= l.any(l.max(above, l.splat(0)), !0);
    }
    if bent {
        bend(sum, own, out);
    }
}

/// Bends the values above the knee.
#[cold]
#[inline(never)]
fn bend(sum: &[i32], own: &[i16], out: &mut [i16]) {
    for ((sum, own), out) in sum.iter().zip(own).zip(out) {
        let x = sum - i32::from(*own);
        let over = i64::from(x.abs() - KNEE);
        if over > 0 {
            let bent = KNEE + (i64::from(ROOM) * over / (over + i64::from(ROOM))) as i32;
            *out = saturate(if x < 0 { -bent } else { bent });
        }
    }
}

fn saturate(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
