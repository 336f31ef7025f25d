//! Mixing the way it is first written: sample by sample, all parties of each.
//! Shape:  frames of 160 samples.
//! Why:    the yardstick for the mixing kernels; nothing in it keeps a compiler from doing its best.

/// What each party hears.
pub fn mix(frames: &[&[i16]], out: &mut [[i16; 160]]) {
    for i in 0..160 {
        let sum: i32 = frames.iter().filter_map(|frame| frame.get(i)).map(|x| i32::from(*x)).sum();
        for (own, out) in frames.iter().zip(out.iter_mut()) {
            out[i] = (sum - i32::from(own[i])).clamp(-32768, 32767) as i16;
        }
    }
}
