//! The documentation's call script on Node, with project-sip and project-rtp as processes of their own; and the same
//! script inside project-control. Two phones call each other through them, PCMU to PCMA, and are heard.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use perf::phone::{Account, Phone, Talk};
use perf::process::{Process, http_get};
use perf::rtp_peer::Codec;
use support::{PATIENCE, Ports, program, start_rtp, start_sip, testfile};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DOMAIN: &str = "bling.babblevoice.com";

/// The three programs, with `control` as given, and one call through them.
fn call_through(ports: &Ports, mut sip: Process, mut rtp: Process, mut control: Process) {
    control.wait_ready(ports.control_http, PATIENCE).unwrap();
    let end = Instant::now() + PATIENCE;
    while !http_get(ports.sip_http, &format!("/dir/{DOMAIN}/1003")).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
        assert!(Instant::now() < end, "the script did not tell its users\n{}", control.output());
        thread::sleep(Duration::from_millis(10));
    }
    let account = |user: &str| Account {
        user: user.to_owned(),
        domain: DOMAIN.to_owned(),
        secret: "1123654789".to_owned(),
        server: SocketAddr::new(HERE, ports.sip),
    };
    let mut caller = Phone::new(account("1000"), HERE, Codec::Pcmu, 440.0).unwrap();
    let mut callee = Phone::new(account("1003"), HERE, Codec::Pcma, 1000.0).unwrap();
    for phone in [&mut caller, &mut callee] {
        phone.register(600, PATIENCE).unwrap();
    }
    let (caller, callee) = thread::scope(|scope| {
        let callee = scope.spawn(move || {
            callee.answer(PATIENCE, Duration::from_millis(100)).unwrap();
            assert_eq!(callee.talk(PATIENCE).unwrap(), Talk::HungUp);
            callee
        });
        caller.call("1003", PATIENCE, |_| {}).unwrap_or_else(|error| panic!("{error}\n{}", control.output()));
        caller.talk(Duration::from_millis(1500)).unwrap();
        caller.hang_up(PATIENCE).unwrap();
        (caller, callee.join().unwrap())
    });
    for (phone, hz) in [(&caller, 1000.0), (&callee, 440.0)] {
        let heard = phone.rtp.ear.tone().unwrap_or_else(|| panic!("nothing heard: {:?}", phone.rtp.counts));
        assert!((heard.tone_hz - hz).abs() < 1.0 && heard.snr_db > 20.0, "{heard:?}");
    }
    // Node ends by the signal itself, our programs with 0.
    let status = control.stop(Duration::from_secs(6)).unwrap();
    assert!(status.success() || status.code().is_none(), "control: {status}\n{}", control.output());
    for (name, process) in [("sip", &mut sip), ("rtp", &mut rtp)] {
        let status = process.stop(Duration::from_secs(6)).unwrap();
        assert!(status.success(), "{name}: {status}\n{}", process.output());
    }
}

#[test]
fn the_documentations_script_runs_on_node() {
    if Command::new("node").arg("--version").output().is_err() {
        println!("skipped: node is not installed; `./check tools` installs it");
        return;
    }
    let ports = Ports::free();
    let (sip, rtp) = (start_sip(&ports, &[]), start_rtp(&ports, &[]));
    // The script stands as documented; where the programs are it is told from outside, as the library's defaults are fixed ports.
    let modules = std::env::temp_dir().join(format!("mediaswitch-node-{}", std::process::id()));
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../control");
    std::fs::create_dir_all(modules.join("node_modules")).unwrap();
    // It is there already when the same process id comes round again.
    let _ = std::os::unix::fs::symlink(library.canonicalize().unwrap(), modules.join("node_modules/projectcontrol"));
    let ports_js = format!(
        "const c = require('projectcontrol'); c.sip.port = {}; c.rtp.port = {}; c.us.port = {};\n",
        ports.sip_http, ports.rtp_http, ports.control_http
    );
    std::fs::write(modules.join("ports.js"), ports_js).unwrap();
    std::fs::copy(testfile("documented.js"), modules.join("documented.js")).unwrap();
    let mut node = Command::new("node");
    node.args(["--require", "./ports.js", "documented.js"]).current_dir(&modules);
    call_through(&ports, sip, rtp, Process::start(node).unwrap());
}

#[test]
fn the_documentations_script_runs_inside_project_control() {
    let ports = Ports::free();
    let (sip, rtp) = (start_sip(&ports, &[]), start_rtp(&ports, &["--cores", "1"]));
    let mut control = program("project-control");
    control
        .args(["--port", &ports.control_http.to_string(), "--sip", &format!("127.0.0.1:{}", ports.sip_http)])
        .args(["--rtp", &format!("127.0.0.1:{}", ports.rtp_http)])
        .arg(testfile("documented.js"));
    call_through(&ports, sip, rtp, Process::start(control).unwrap());
}
