//! The detector against the vector set, at every level.

use super::*;
use crate::testing::{Random, wav};

fn levels() -> impl Iterator<Item = (&'static str, Dtmf)> {
    Level::available().map(|level| (level.name(), Dtmf::new(level)))
}

/// Digits reported for a signal in frames of `frame` samples.
fn digits(dtmf: &Dtmf, signal: &[i16], frame: usize) -> String {
    let (mut detector, mut digits) = (Detector::new(), String::new());
    for frame in signal.chunks(frame) {
        dtmf.listen(&mut detector, frame, |event| {
            if let Event::Start(digit) = event {
                digits.push(digit.char());
            }
        });
    }
    digits
}

/// Files that every detector must get right, with what is in them.
const MUST: [(&str, &str); 12] = [
    ("dtmf_nominal", "123A456B789C*0#D"),
    ("dtmf_short_50_40", "123A456B789C*0#D123A456B789C*0#D"),
    ("dtmf_too_short_20ms", ""),
    ("dtmf_levels", "23A423A423A423A423A423A4"),
    ("dtmf_too_low", ""),
    ("dtmf_twist", "3A4563A4563A4563A4563A456"),
    ("dtmf_freq_accept", "1A68*D1A68*D1A68*D1A68*D"),
    ("dtmf_freq_reject", ""),
    ("dtmf_noise15", "123A456B789C*0#D"),
    ("dtmf_repeats_long", "00445551235"),
    ("talkoff_speech", ""),
    ("single_tones", ""),
];
/// Files at the very limits: some digits may be missed, none may be wrong.
const SHOULD: [(&str, &str); 3] =
    [("dtmf_twist_edge", "3A456B789C3A456B789C"), ("dtmf_freq_edge", "134679*#134679*#"), ("dtmf_interrupted", "123A45")];

#[test]
fn every_digit_of_the_must_files_is_reported_once_and_nothing_else() {
    for (file, expected) in MUST {
        let signal = wav(&format!("dtmf/{file}.wav"));
        for (name, dtmf) in levels() {
            for frame in [80, 160, 240, 37] {
                assert_eq!(digits(&dtmf, &signal, frame), expected, "{name} {file} in frames of {frame}");
            }
        }
    }
}

#[test]
fn at_the_limits_digits_may_be_missed_but_not_mistaken() {
    for (file, expected) in SHOULD {
        let found = digits(&levels().next().unwrap().1, &wav(&format!("dtmf/{file}.wav")), 160);
        let mut rest = expected.chars();
        println!("{file}: {found} of {expected}");
        assert!(found.chars().all(|digit| rest.any(|c| c == digit)), "{file}: {found}");
        assert!(2 * found.len() >= expected.len(), "{file}: {found}");
    }
}

#[test]
fn where_the_first_block_starts_does_not_matter() {
    let signal = wav("dtmf/dtmf_short_50_40.wav");
    let (_, dtmf) = levels().next().unwrap();
    for shift in 0..BLOCK {
        assert_eq!(digits(&dtmf, &signal[shift..], 160).len(), 32, "{shift}");
    }
}

#[test]
fn an_end_follows_every_start_and_tells_how_long() {
    let signal = wav("dtmf/dtmf_nominal.wav");
    for (_, dtmf) in levels() {
        let (mut detector, mut events) = (Detector::new(), vec![]);
        dtmf.listen(&mut detector, &signal, |event| events.push(event));
        assert_eq!(events.len(), 32);
        for pair in events.chunks(2) {
            let (Event::Start(pressed), Event::End { digit, samples }) = (pair[0], pair[1]) else { panic!("{pair:?}") };
            assert_eq!(pressed, digit);
            assert!((600..=900).contains(&samples), "{samples} samples of 800");
        }
        assert_eq!(detector.pressed(), None);
    }
}

#[test]
fn every_level_sees_the_same_spectrum() {
    let mut random = Random(41);
    for scale in 0..14 {
        let mut block = Block::SILENCE;
        block.put(0, &(0..BLOCK).map(|_| random.sample() >> scale).collect::<Vec<_>>());
        let square: Vec<_> = (0..BLOCK).map(|n| if n / 5 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let mut full = Block::SILENCE;
        full.put(0, &square);
        for block in [&block, &full] {
            for held in [false, true] {
                let expected = block::scalar(block, held);
                for (name, dtmf) in levels() {
                    // SAFETY: the level is available.
                    assert_eq!(unsafe { (dtmf.spectrum)(block, held) }, expected, "{name} {held}");
                }
            }
        }
    }
}
