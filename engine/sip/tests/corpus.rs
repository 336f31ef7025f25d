//! Replays every input that the fuzzer keeps, and the messages in `testfiles/`, through the fuzz targets.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "also in helpers, a failure here is a failed test and names its file")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

#[path = "../../fuzz/src/machines.rs"]
mod machines;

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

proptest! {
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
