//! The self-test itself passes, and has the whole corpus.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn every_case_passes() {
    let now = sim::Clock::new().now();
    let cases: Vec<Case> = run(now).collect();
    for case in &cases {
        assert!(case.outcome.is_ok(), "{case:?}");
    }
    assert_eq!(cases.len(), corpus::TORTURE.len() + corpus::PHONES.len());
}

#[test]
fn the_program_holds_every_file_of_the_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testfiles");
    for (folder, held) in [("torture/rfc4475", corpus::TORTURE), ("messages", corpus::PHONES)] {
        let files: BTreeSet<String> =
            std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let held: BTreeSet<String> = held.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, held, "{folder}");
    }
}

#[test]
fn a_wrong_verdict_is_seen() {
    let now = sim::Clock::new().now();
    let verdict = |verdict, expect| Verdict { file: "wsinv.dat", section: "", title: "", verdict, expect, tolerate: "" };
    let bytes = corpus::TORTURE.iter().find(|(name, _)| *name == "wsinv.dat").unwrap().1;
    assert!(verdict("must-reject", "400").judge(bytes, now).is_err());
    assert!(verdict("valid", "200").judge(bytes, now).is_err());
}
