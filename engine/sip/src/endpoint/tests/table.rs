//! Which action is possible in which phase of a call: the whole table, as control meets it.

use super::calls::{AT_PHONE, SDP, answer, sdp, wish};
use super::*;
use crate::api::{Action, Originate};
use crate::message::StatusCode;

const AT_US: &str = "sip:1001@192.0.2.100:5060";

/// A call brought to a phase; its Call-ID.
type Phase = (&'static str, fn() -> (Bench, String));

fn theirs(lines: &str, body: &str) -> (Bench, String) {
    let mut bench = Bench::new();
    bench.call_in_with("c1", lines, body);
    (bench, "c1".into())
}

fn ours(sdp_us: bool) -> (Bench, String, String) {
    let mut bench = Bench::new();
    bench.enrol_1001();
    let (callid, invite) = bench.call_out(Originate { sdp: sdp_us.then(sdp), ..wish() });
    (bench, callid, invite)
}

fn talking() -> (Bench, String) {
    let mut bench = Bench::new();
    bench.talk_in("c1");
    (bench, "c1".into())
}

const PHASES: [Phase; 10] = [
    ("offered", || theirs("", SDP)),
    ("offered late", || theirs("", "")),
    ("offered, PRACK awaited", || {
        let (mut bench, id) = theirs("Require: 100rel\r\n", SDP);
        bench.act(&id, Action::Ring { alertinfo: None, sdp: None }).unwrap();
        (bench, id)
    }),
    ("calling", || {
        let (bench, id, _) = ours(true);
        (bench, id)
    }),
    ("calling, agreed early", || {
        let (mut bench, id, invite) = ours(true);
        let reliable = [AT_PHONE, ("Require", "100rel"), ("RSeq", "1")];
        bench.receive(PHONE, &answer(&invite, StatusCode::SESSION_PROGRESS, &reliable, SDP));
        (bench, id)
    }),
    ("talking", talking),
    ("talking, ACK awaited", || {
        let (mut bench, id) = theirs("", SDP);
        bench.act(&id, Action::Answer { sdp: Some(sdp()) }).unwrap();
        (bench, id)
    }),
    ("talking, ACK owed", || {
        let (mut bench, id, invite) = ours(false);
        bench.receive(PHONE, &answer(&invite, StatusCode::OK, &[AT_PHONE], SDP));
        (bench, id)
    }),
    ("talking, offer of theirs", || {
        let mut bench = Bench::new();
        let mut caller = bench.talk_in("c1");
        bench.receive(PHONE, &caller.next("UPDATE", AT_US, "", SDP));
        (bench, "c1".into())
    }),
    ("ending", || {
        let (mut bench, id) = talking();
        bench.hangup(&id);
        (bench, id)
    }),
];

fn actions() -> Vec<(&'static str, Action)> {
    vec![
        ("ring", Action::Ring { alertinfo: None, sdp: None }),
        ("progress", Action::Progress { sdp: sdp() }),
        ("answer", Action::Answer { sdp: Some(sdp()) }),
        ("ok", Action::Ok { sdp: Some(sdp()) }),
        ("ack", Action::Ack { sdp: sdp() }),
        ("invite", Action::Invite { sdp: Some(sdp()) }),
        ("update", Action::Update { sdp: Some(sdp()) }),
        ("refer", Action::Refer { to: "1002".into(), replaces: None }),
        ("notify", Action::Notify { status: 200 }),
        ("info", Action::Info { contenttype: "application/dtmf".into(), body: "5".into() }),
        ("redirect", Action::Redirect { contacts: vec!["sip:a@b".into()] }),
        ("hangup", Action::Hangup { reason: None, code: None, headers: vec![] }),
    ]
}

#[test]
fn every_action_in_every_phase_does_what_the_table_says() {
    let mut table = String::new();
    for (name, phase) in PHASES {
        table += &format!("{name:26}");
        for (_, action) in actions() {
            let (mut bench, id) = phase();
            let word = match bench.act(&id, action) {
                Ok(_) => "ok",
                Err(CommandError::WrongState(_)) => "409",
                Err(CommandError::Impossible(_)) => "422",
                Err(error) => panic!("{error}"),
            };
            table += &format!("{word:4}");
            // Whatever it was, it ends.
            bench.run(Duration::from_secs(90_000));
            assert!(bench.endpoint.calls.is_empty(), "{name}");
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    // ring, progress, answer, ok, ack, invite, update, refer, notify, info, redirect, hangup
    assert_eq!(
        table,
        "offered                   ok  ok  ok  409 409 409 409 409 409 409 ok  ok\n\
         offered late              ok  422 ok  409 409 409 409 409 409 409 ok  ok\n\
         offered, PRACK awaited    ok  ok  ok  409 409 409 409 409 409 409 ok  ok\n\
         calling                   409 409 409 409 409 409 409 409 409 409 409 ok\n\
         calling, agreed early     409 409 409 409 409 409 ok  409 409 409 409 ok\n\
         talking                   409 409 409 409 409 ok  ok  ok  409 ok  409 ok\n\
         talking, ACK awaited      409 409 409 409 409 409 409 ok  409 ok  409 ok\n\
         talking, ACK owed         409 409 409 409 ok  409 409 ok  409 ok  409 ok\n\
         talking, offer of theirs  409 409 409 ok  409 409 409 ok  409 ok  409 ok\n\
         ending                    409 409 409 409 409 409 409 409 409 409 409 ok\n"
    );
}
