//! Replays every input that the fuzzer keeps, and the messages in `testfiles/`, through the fuzz targets; then the same with
//! changes, for a while.
//!
//! A while is 2 s of all targets together, or `FUZZ_SECONDS=60 cargo test -p sip --test corpus`. Every run makes other changes; it
//! prints its seed, and `FUZZ_SEED=n` makes those of that run again, as far as the time allows.
//! An input that fails is written to the system's directory for temporary files, whose name is printed; it is to be kept in
//! `engine/fuzz/corpus`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "also in helpers, a failure here is a failed test and names its file")]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

#[path = "../../fuzz/src/machines.rs"]
mod machines;

#[path = "../../fuzz/src/calls.rs"]
mod calls;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn replay(folder: &str, target: fn(&[u8])) {
    for file in files(folder) {
        println!("{}", file.display());
        target(&std::fs::read(file).unwrap());
    }
}

#[test]
fn kept_messages_hold() {
    replay("engine/fuzz/corpus/message", targets::message);
    replay("testfiles/messages", targets::message);
    replay("testfiles/torture/rfc4475", targets::message);
}

#[test]
fn kept_uris_hold() {
    replay("engine/fuzz/corpus/uri", targets::uri);
}

#[test]
fn kept_auth_headers_hold() {
    replay("engine/fuzz/corpus/auth", targets::auth);
}

#[test]
fn kept_session_descriptions_hold() {
    replay("engine/fuzz/corpus/sdp", targets::sdp);
}

#[test]
fn kept_messages_make_dialogs_that_speak() {
    for folder in ["engine/fuzz/corpus/message", "testfiles/messages", "testfiles/torture/rfc4475"] {
        replay(folder, machines::dialog);
    }
}

#[test]
fn kept_sequences_of_transactions_hold() {
    replay("engine/fuzz/corpus/transactions", machines::transactions);
}

#[test]
fn kept_sequences_of_calls_hold() {
    replay("engine/fuzz/corpus/calls", calls::calls);
}

type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

const TARGETS: [Target; 7] = [
    ("message", targets::message, &["engine/fuzz/corpus/message", "testfiles/messages", "testfiles/torture/rfc4475"]),
    ("uri", targets::uri, &["engine/fuzz/corpus/uri"]),
    ("auth", targets::auth, &["engine/fuzz/corpus/auth"]),
    ("sdp", targets::sdp, &["engine/fuzz/corpus/sdp"]),
    ("dialog", machines::dialog, &["engine/fuzz/corpus/message", "testfiles/messages"]),
    ("transactions", machines::transactions, &["engine/fuzz/corpus/transactions"]),
    ("calls", calls::calls, &["engine/fuzz/corpus/calls"]),
];

/// Changes one to eight things of an input: a byte, a stretch that goes, comes twice, or comes from another input.
fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut sim::SimRng) {
    let mut below = |limit: usize| usize::try_from(rng.below(limit.max(1) as u64)).unwrap();
    for _ in 0..=below(8) {
        let start = below(bytes.len() + 1);
        let end = (start + below(32)).min(bytes.len());
        match below(5) {
            0 => drop(bytes.drain(start..end)),
            1 => {
                let again = bytes[start..end].to_vec();
                bytes.splice(start..start, again);
            }
            2 => {
                let from = below(other.len());
                let piece = other[from..(from + below(64)).min(other.len())].to_vec();
                bytes.splice(start..start, piece);
            }
            _ => {
                let value = u8::try_from(below(256)).unwrap();
                if let Some(byte) = bytes.get_mut(start) {
                    *byte = value;
                }
            }
        }
        bytes.truncate(8192);
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "it lasts by the wall clock; what it runs is told the time")]
fn kept_inputs_with_changes_hold_for_a_while() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("FUZZ_SECONDS").unwrap_or(2);
    // The keys of a hasher are the randomness that the standard library has.
    let seed = number("FUZZ_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("FUZZ_SEED={seed}");
    for (name, target, folders) in TARGETS {
        let kept: Vec<Vec<u8>> = folders.iter().flat_map(|folder| files(folder)).map(|file| std::fs::read(file).unwrap()).collect();
        // Each target has changes of its own, whatever time the others had.
        let mut rng = sim::SimRng::new(seed);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds) / TARGETS.len() as u32;
        let mut runs = 0_u64;
        while std::time::Instant::now() < end {
            let mut pick = || &kept[usize::try_from(rng.below(kept.len() as u64)).unwrap()];
            let (mut bytes, other) = (pick().clone(), pick());
            change(&mut bytes, other, &mut rng);
            if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
                let file = std::env::temp_dir().join(format!("mediaswitch-fuzz-{name}-{}", std::process::id()));
                std::fs::write(&file, &bytes).unwrap();
                println!("{name} fails with {}, of FUZZ_SEED={seed}", file.display());
                std::panic::resume_unwind(panic);
            }
            runs += 1;
        }
        println!("{name}: {runs} inputs");
        assert!(runs > 0);
    }
}

proptest! {
    /// Any bytes, as what happens to calls.
    #[test]
    fn any_sequence_of_calls_holds(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        calls::calls(&bytes);
    }

    /// Any bytes, as operations.
    #[test]
    fn any_sequence_of_transactions_holds(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        machines::transactions(&bytes);
    }

    /// Messages with a few bytes changed, as what makes a dialog.
    #[test]
    fn damaged_messages_make_dialogs_that_speak(pick in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let mut bytes = std::fs::read(pick.get(&files("testfiles/messages"))).unwrap();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        machines::dialog(&bytes);
    }
}
