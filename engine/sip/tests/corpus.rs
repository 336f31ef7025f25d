//! Replays every input that the fuzzer keeps, and the messages in `testfiles/`, through the fuzz targets.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "also in helpers, a failure here is a failed test and names its file")]

use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
mod targets;

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
