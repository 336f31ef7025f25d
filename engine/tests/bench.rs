//! `mediaswitch bench` against the real switch: what its load puts in, its phones and the switch's own statistics find to the packet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use serde_json::Value;
use support::program;

/// One load with faults of every kind; jitter above the ptime, so that packets overtake each other by it too.
fn spoiled(what: &str) -> Value {
    let words = "--channels 12 --quick --seconds 1.2 --json --loss 4% --jitter 30ms --reorder 2% --duplicate 3%";
    let output = program("mediaswitch").arg("bench").arg(what).args(words.split(' ')).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    println!("{}", report["results"][0]["levels"]);
    report["results"][0].clone()
}

#[test]
fn faults_of_a_relay_are_told_alike_by_the_load_the_phones_and_the_switch() {
    let result = spoiled("relay");
    assert_eq!((&result["faults"]["loss_percent"], &result["faults"]["jitter_ms"]), (&4.0.into(), &30.into()));
    let level = &result["levels"][0];
    let (put_in, saw, heard) = (&level["put_in"], &level["switch_saw"], &level["packets"]);
    assert!(
        put_in["lost"].as_u64().unwrap() > 5 && put_in["duplicates"].as_u64().unwrap() > 3 && put_in["overtaken"].as_u64().unwrap() > 9
    );
    for (put_in, saw, heard) in
        [("lost", "lost", Some("lost")), ("overtaken", "reordered", Some("reordered")), ("duplicates", "duplicates", None)]
            .map(|(a, b, c)| (&put_in[a], &saw[b], c.map(|c| &heard[c])))
    {
        assert_eq!(put_in, saw);
        assert!(heard.is_none_or(|heard| heard == put_in), "{heard:?} of {put_in}");
    }
    assert_eq!(heard["duplicates"], 0, "copies go no further than the switch");
    assert_eq!((heard["changed"].as_u64(), heard["foreign"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn a_conference_conceals_what_was_lost_and_its_switch_counts_it() {
    let result = spoiled("mix");
    let level = &result["levels"][0];
    let (put_in, saw) = (&level["put_in"], &level["switch_saw"]);
    assert_eq!((&saw["lost"], &saw["reordered"], &saw["duplicates"]), (&put_in["lost"], &put_in["overtaken"], &put_in["duplicates"]));
    assert!(saw["concealed_frames"].as_u64() >= put_in["lost"].as_u64() && put_in["lost"].as_u64() > Some(5), "{level}");
}
