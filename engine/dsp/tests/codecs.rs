//! Any frames into any codec at every level: what the fuzz target asks, on random bytes and on its corpus.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../fuzz/src/codecs.rs"]
mod target;

use proptest::prelude::*;

#[test]
fn inputs_that_were_found_stay_fixed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/codecs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        target::codecs(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_octets_are_survived_at_every_level(kind: u8, frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12)) {
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| std::iter::once(frame.len() as u8).chain(frame.iter().copied())).collect();
        target::codecs(&[&[kind], bytes.as_slice()].concat());
    }

    /// Frames as long as they should be, so that iLBC takes most of them for whole.
    #[test]
    fn any_frames_of_ilbc_are_survived(long: bool, frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 50), 1..12)) {
        let (kind, length) = if long { (5, 50) } else { (4, 38) };
        let mut bytes = vec![kind];
        for mut frame in frames {
            frame.truncate(length);
            frame[length - 1] &= 0xFE;
            bytes.push(length as u8);
            bytes.extend(frame);
        }
        target::codecs(&bytes);
    }
}
