//! `mediaswitch demo`: a whole call through a whole switch, and a verdict.
//!
//! ```text
//!   switch on free loopback ports ─▶ 1000 and 1001 register ─▶ 1000 dials 1001 ─▶ both talk ─▶ 1000 hangs up ─▶ verdict
//!   1000: PCMU, sends 440 Hz, must hear 1000 Hz      1001: PCMA, sends 1000 Hz, must hear 440 Hz
//! ```
//! Shape:  the switch is the one that `mediaswitch` starts, on real sockets; the phones are `perf::phone`.
//! Units:  Hz, dBov (full-scale sine: −3.01).
//! Errors: every wish that does not come true is one line of the verdict, and exit code 1.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use perf::ear::Heard;
use perf::phone::{Account, Phone, PhoneError, Talk};
use perf::process::{free_port, free_port_range, http_get};
use perf::rtp_peer::{Codec, Counts};

use rtp::jitter::Bounds;

use super::{Failure, say, switch};
use crate::media::Interface;
use crate::settings::Settings;
use crate::settings::config::{ApiConfig, ControlConfig, RtpConfig, SipConfig};
use control_http::server::ListenPolicy;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DOMAIN: &str = "demo.invalid";
const PATIENCE: Duration = Duration::from_secs(10);
const RING: Duration = Duration::from_millis(300);
const TALK: Duration = Duration::from_secs(3);
/// Four channels' worth; a call takes two.
const RTP_PORTS: u16 = 8;

const TONE_1000_HZ: f64 = 440.0;
const TONE_1001_HZ: f64 = 1000.0;
/// An amplitude of 8192: a quarter of full scale.
const LEVEL_DBOV: f64 = -15.05;
/// G.711 twice, once in each law, leaves 35 dB.
const SNR_LEAST_DB: f64 = 30.0;
/// Share of the packets sent that must arrive: all but those of a quarter second while the two ends start and stop.
const MISSING_MOST: u64 = 13;

/// What a phone has to say at the end.
struct Report {
    user: &'static str,
    codec: Codec,
    expected_hz: f64,
    heard: Option<Heard>,
    counts: Counts,
    sent_by_other: u64,
}

pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let free = |error: std::io::Error| Failure { code: 71, message: format!("no free ports on loopback: {error}") };
    let (sip_port, sip_http, control_http, rtp_http) =
        (free_port().map_err(free)?, free_port().map_err(free)?, free_port().map_err(free)?, free_port().map_err(free)?);
    let (first, last) = free_port_range(RTP_PORTS).map_err(free)?;
    let server = SocketAddr::new(HERE, sip_port);
    let secrets = [switch::new_secret()?, switch::new_secret()?];
    let config = switch::Config {
        api: ApiConfig { address: HERE, policy: ListenPolicy::default() },
        cores: switch::cores(settings)?,
        sip: Some(SipConfig {
            trusted: Vec::new(),
            dns: Vec::new(),
            listeners: vec![(server, HERE)],
            http: SocketAddr::new(HERE, sip_http),
            calls_max: 10,
            session_expires: std::time::Duration::from_secs(1800),
            registrations_max: 10,
            expires: 60..=3600,
            ping_every: None,
        }),
        rtp: Some(RtpConfig {
            interfaces: vec![Interface { bind: HERE, advertised: HERE }],
            ports: first..=last,
            http: SocketAddr::new(HERE, rtp_http),
            timeout: PATIENCE,
            media: None,
            sounds_bytes: 0,
            jitter: Bounds::default(),
            transcodes_max: None,
            traffic_class: 0,
            receive_buffer: 32 << 10,
        }),
        control: Some(ControlConfig {
            http: SocketAddr::new(HERE, control_http),
            us: (HERE.to_string(), control_http),
            sip: vec![(HERE.to_string(), sip_http)],
            rtp: vec![(HERE.to_string(), rtp_http)],
            script: None,
            watch: false,
            domain: DOMAIN.to_owned(),
            users: ["1000", "1001"].iter().zip(&secrets).map(|(user, secret)| ((*user).to_owned(), secret.clone())).collect(),
            direct: false,
        }),
        drain: Duration::ZERO,
    };
    let mut shards = switch::start(settings.program, &config)?.shards;
    let (news, heard_news) = mpsc::channel::<(&'static str, String)>();
    let printer = thread::spawn(move || {
        for (who, what) in heard_news {
            let line = format!("{:7.2} s  {who:<6} {what}\n", start.elapsed().as_secs_f64());
            // Nobody reads a closed pipe.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }
    });
    tell(&news, "switch", format!("runs: SIP {server} (UDP and TCP), HTTP {sip_http} {control_http} {rtp_http}, RTP {first}-{last}"));
    let told = wait_for_users(sip_http);
    let [secret_1000, secret_1001] = secrets;
    let account = |user: &str, secret| Account { user: user.to_owned(), domain: DOMAIN.to_owned(), secret, server };
    let outcome =
        told.and_then(|()| call(account("1000", secret_1000), account("1001", secret_1001), &news).map_err(|error| error.to_string()));
    let stopped = shards.stop_and_join(Duration::ZERO);
    tell(&news, "switch", "stopped".to_owned());
    drop(news);
    // The printer ends with its last sender.
    let _ = printer.join();
    verdict(outcome, stopped)
}

/// The script tells project-sip of its users once it runs: a moment after the switch serves.
fn wait_for_users(sip_http: u16) -> Result<(), String> {
    let path = format!("/dir/{DOMAIN}/1001");
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if http_get(sip_http, &path).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(format!("the call script did not tell project-sip of its users within {PATIENCE:?}"))
}

/// The call, each phone in a thread of its own.
fn call(caller: Account, callee: Account, news: &mpsc::Sender<(&'static str, String)>) -> Result<[Report; 2], PhoneError> {
    let mut caller = Phone::new(caller, HERE, Codec::Pcmu, TONE_1000_HZ)?;
    let mut callee = Phone::new(callee, HERE, Codec::Pcma, TONE_1001_HZ)?;
    for (user, phone) in [("1000", &mut caller), ("1001", &mut callee)] {
        let granted = phone.register(600, PATIENCE)?;
        tell(news, user, format!("registered with digest, for {granted} s"));
    }
    let (mut caller, mut callee) = thread::scope(|scope| {
        let callee = scope.spawn(|| {
            let mut phone = callee;
            phone.answer(PATIENCE, RING)?;
            tell(news, "1001", "answered".to_owned());
            match phone.talk(TALK + PATIENCE)? {
                Talk::HungUp => tell(news, "1001", "was hung up on".to_owned()),
                Talk::Ongoing => tell(news, "1001", "was NOT told of the hang-up".to_owned()),
            }
            Ok::<_, PhoneError>(phone)
        });
        tell(news, "1000", "dials 1001".to_owned());
        let called = caller.call("1001", PATIENCE, |status| tell(news, "1000", format!("hears {status}"))).and_then(|()| {
            tell(news, "1000", format!("is connected; both talk for {} s", TALK.as_secs()));
            caller.talk(TALK)?;
            caller.hang_up(PATIENCE)?;
            tell(news, "1000", "hung up".to_owned());
            Ok(caller)
        });
        // A phone thread that panics is a bug, and the demo's panic too.
        let callee = callee.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, PhoneError>((called?, callee?))
    })?;
    for phone in [&mut caller, &mut callee] {
        phone.register(0, PATIENCE)?;
    }
    let report = |user, phone: &Phone, expected_hz, other: &Phone| Report {
        user,
        codec: phone.rtp.codec(),
        expected_hz,
        heard: phone.rtp.ear.tone(),
        counts: phone.rtp.counts,
        sent_by_other: other.rtp.counts.sent,
    };
    Ok([report("1000", &caller, TONE_1001_HZ, &callee), report("1001", &callee, TONE_1000_HZ, &caller)])
}

fn tell(news: &mpsc::Sender<(&'static str, String)>, who: &'static str, what: String) {
    // The printer lives as long as any sender.
    let _ = news.send((who, what));
}

fn verdict(outcome: Result<[Report; 2], String>, stopped: bool) -> Result<ExitCode, Failure> {
    let mut text = String::from("\n");
    let mut faults = Vec::new();
    match outcome {
        Ok(reports) => {
            for report in &reports {
                text.push_str(&describe(report));
                faults.extend(check(report));
            }
        }
        Err(fault) => faults.push(fault),
    }
    if !stopped {
        faults.push("the switch did not stop within 5 s".to_owned());
    }
    if faults.is_empty() {
        text.push_str("\nThe call works: both phones hear each other, PCMU on one side, PCMA on the other.\n");
        return say(&text);
    }
    say(&text)?;
    Err(Failure { code: 1, message: format!("the demo failed: {}", faults.join("; ")) })
}

fn describe(report: &Report) -> String {
    let Report { user, codec, counts, .. } = report;
    let heard = report.heard.map_or_else(
        || "nothing".to_owned(),
        |heard| format!("{:.1} Hz at {:.1} dBov, {:.0} dB over the noise", heard.tone_hz, heard.level_dbov, heard.snr_db),
    );
    format!("  {user} ({}) heard {heard}: {} packets in, {} lost, {} out\n", codec.name(), counts.received, counts.lost, counts.sent)
}

fn check(report: &Report) -> Vec<String> {
    let Report { user, expected_hz, counts, sent_by_other, .. } = report;
    let mut faults = Vec::new();
    match report.heard {
        None => faults.push(format!("{user} heard nothing")),
        Some(heard) => {
            if (heard.tone_hz - expected_hz).abs() > 1.0 {
                faults.push(format!("{user} heard {:.1} Hz and not {expected_hz} Hz", heard.tone_hz));
            }
            if (heard.level_dbov - LEVEL_DBOV).abs() > 0.5 {
                faults.push(format!("{user} heard {:.1} dBov and not {LEVEL_DBOV}", heard.level_dbov));
            }
            if heard.snr_db < SNR_LEAST_DB {
                faults.push(format!("{user} heard only {:.0} dB over the noise", heard.snr_db));
            }
        }
    }
    if counts.received + MISSING_MOST < *sent_by_other {
        faults.push(format!("{user} got {} of {sent_by_other} packets", counts.received));
    }
    if counts.ssrc_changes + counts.timestamp_jumps + counts.foreign > 0 {
        faults.push(format!("the stream to {user} is not one clean stream: {counts:?}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        Report {
            user: "1000",
            codec: Codec::Pcmu,
            expected_hz: 1000.0,
            heard: Some(Heard { tone_hz: 1000.1, level_dbov: -15.1, snr_db: 36.0 }),
            counts: Counts { sent: 150, received: 148, ..Counts::default() },
            sent_by_other: 150,
        }
    }

    #[test]
    fn a_good_call_has_no_fault() {
        assert_eq!(check(&good()), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_bad_call_is_found() {
        let heard = |tone_hz, level_dbov, snr_db| Report { heard: Some(Heard { tone_hz, level_dbov, snr_db }), ..good() };
        let counts = |counts| Report { counts, ..good() };
        let bad = [
            Report { heard: None, ..good() },
            heard(440.0, -15.0, 36.0),
            heard(1000.0, -21.0, 36.0),
            heard(1000.0, -15.0, 20.0),
            counts(Counts { received: 100, ..good().counts }),
            counts(Counts { ssrc_changes: 1, ..good().counts }),
            counts(Counts { timestamp_jumps: 1, ..good().counts }),
        ];
        for report in bad {
            assert_eq!(check(&report).len(), 1, "{}", describe(&report));
        }
    }
}
