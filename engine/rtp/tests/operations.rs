//! Any commands, packets and times in any order: what the fuzz target asks, on random bytes and on its corpus.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../fuzz/src/media.rs"]
mod target;

use proptest::prelude::*;

#[test]
fn inputs_that_were_found_stay_fixed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/media");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        target::media(&std::fs::read(entry.unwrap().path()).unwrap(), sim::Clock::new().now());
        count += 1;
    }
    assert!(count > 0);
}

/// Two channels open, aimed and mixed, so that most packets go somewhere.
const CALL: [u8; 15] = [0, 0, 1, 0, 1, 0b01_0000, 3, 1, 1, 2, 0b01_0001, 3, 2, 0, 1];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_operations_are_survived(script in proptest::collection::vec(any::<u8>(), 0..600), talks: bool) {
        let bytes = if talks { [&CALL[..], &script].concat() } else { script };
        target::media(&bytes, sim::Clock::new().now());
    }
}
