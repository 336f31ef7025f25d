//! Concealment against the vector set: G.711 Appendix I on the same losses is the yardstick.

use super::*;
use crate::Kernels;
use crate::testing::{Random, octets, samples};

const FRAME: usize = 160;

fn clean() -> Vec<i16> {
    let codes = octets("plc/speech.ulaw");
    let mut pcm = vec![0; codes.len()];
    Kernels::best().g711.ulaw_decode(&codes, &mut pcm);
    pcm
}

fn conceal(clean: &[i16], mask: &[u8], frame: usize) -> Vec<i16> {
    let mut plc = Narrow::new();
    let mut out = clean.to_vec();
    for (n, out) in out.chunks_mut(frame).enumerate() {
        if mask[n * frame / FRAME] == b'1' { plc.received(out) } else { plc.lost(out) }
    }
    out
}

/// Signal to noise over the lost frames.
fn snr_of_lost(clean: &[i16], out: &[i16], mask: &[u8]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for ((clean, out), _) in clean.chunks(FRAME).zip(out.chunks(FRAME)).zip(mask).filter(|(_, got)| **got == b'0') {
        for (a, b) in clean.iter().zip(out) {
            signal += f64::from(*a).powi(2);
            noise += (f64::from(*a) - f64::from(*b)).powi(2);
        }
    }
    10.0 * (signal / noise).log10()
}

fn db(frame: &[i16]) -> f32 {
    Kernels::best().meter.energy(frame).dbov()
}

#[test]
fn lost_frames_are_as_good_as_appendix_i_makes_them() {
    let clean = clean();
    for name in ["rand05", "burst10"] {
        let mask = octets(&format!("plc/{name}.mask"));
        let appendix = snr_of_lost(&clean, &samples(&format!("plc/speech.{name}.g711appI.s16")), &mask);
        for frame in [80, 160] {
            let own = snr_of_lost(&clean, &conceal(&clean, &mask, frame), &mask);
            println!("{name}, frames of {frame}: {own:.2} dB, appendix I {appendix:.2} dB");
            assert!(own >= appendix - 1.0, "{name}: {own} dB against {appendix} dB");
        }
    }
}

#[test]
fn a_concealed_frame_is_not_louder_and_a_long_loss_falls_silent() {
    let clean = clean();
    for start in (20..700).step_by(7) {
        let mut plc = Narrow::new();
        clean[..start * FRAME].chunks(FRAME).for_each(|frame| plc.received(&mut frame.to_vec()));
        let before = db(&clean[(start - 1) * FRAME..][..FRAME]);
        for lost in 0..10 {
            let mut frame = [0; FRAME];
            plc.lost(&mut frame);
            assert!(db(&frame) <= before + 3.0 || db(&frame) < -60.0, "packet {start} + {lost}: {} after {before}", db(&frame));
            if lost >= 5 {
                assert!(db(&frame) <= before - 30.0 || db(&frame) < -90.0, "packet {start} + {lost}");
            }
        }
    }
}

#[test]
fn ten_milliseconds_after_a_loss_all_is_as_received() {
    let clean = clean();
    let mut random = Random(51);
    for losses in 1..8 {
        let mask: Vec<u8> = (0..clean.len() / FRAME).map(|n| if n % 12 < losses && n > 3 { b'0' } else { b'1' }).collect();
        let out = conceal(&clean, &mask, FRAME);
        for n in 1..mask.len() {
            if mask[n] == b'1' {
                let from = n * FRAME + if mask[n - 1] == b'0' { 80 } else { 0 };
                assert!(out[from..(n + 1) * FRAME] == clean[from..(n + 1) * FRAME], "packet {n}");
            }
        }
        let _ = random.next();
    }
}

#[test]
fn nothing_heard_is_silence_and_extremes_do_not_wrap() {
    let mut frame = [1; FRAME];
    let mut plc = Wide::new();
    plc.lost(&mut frame);
    assert_eq!(frame, [0; FRAME]);
    let mut random = Random(52);
    for len in (0..900).step_by(13) {
        let mut plc = Wide::new();
        for _ in 0..6 {
            plc.received(&mut (0..len).map(|n| if n % 160 < 80 { i16::MAX } else { i16::MIN }).collect::<Vec<_>>());
            for _ in 0..random.next() % 4 {
                plc.lost(&mut vec![0; len]);
            }
        }
        assert_eq!(plc.heard().len(), 780);
    }
}

#[test]
fn a_steady_tone_goes_on_in_phase() {
    let tone = |n: usize, rate: f64| (8000.0 * (std::f64::consts::TAU * 200.0 * n as f64 / rate).sin()).round() as i16;
    let mut narrow = Narrow::new();
    narrow.received(&mut (0..800).map(|n| tone(n, 8000.0)).collect::<Vec<_>>());
    let mut frame = [0; 80];
    narrow.lost(&mut frame);
    assert!(frame.iter().enumerate().all(|(n, x)| x.abs_diff(tone(800 + n, 8000.0)) < 20));
    let mut wide = Wide::new();
    wide.received(&mut (0..1600).map(|n| tone(n, 16000.0)).collect::<Vec<_>>());
    let mut frame = [0; 160];
    wide.lost(&mut frame);
    assert!(frame.iter().enumerate().all(|(n, x)| x.abs_diff(tone(1600 + n, 16000.0)) < 20));
}
