//! project-rtp over real sockets with real speech: a bridge of every pair of codecs at once, half of them under attack, each ear
//! held against what the other end said.
//!
//! Judged: in windows of 200 ms the signal to noise against the speaker's own packets, taken through the same rates and codecs
//!         offline; a limit for the median of each phone. A machine that stalls loses or delays packets, which a window or two show
//!         and no median; and a clocked path is later or sooner after it, so each window is looked for where the last one was, and
//!         where it is not right there, as far as a stall may have moved it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

#[path = "../rtp/tests/common/mod.rs"]
mod common;
#[path = "../rtp/tests/mixed/sound.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod sound;
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use dsp::Kernels;
use dsp::resample::{Downsampler, Upsampler};
use perf::process::{free_port_range, http};
use perf::rtp_socket::rtp_socket;
use rtp::packet::RtpView;
use serde_json::{Value, json};
use sound::{Grade, Voice};
use support::{Ports, start_rtp};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// How long they speak.
const SPEECH: Duration = Duration::from_secs(4);
/// Samples of a window, and how far it is looked for: 200 ms; 20 ms, or 600 ms after a stall.
const WINDOW: usize = 1600;
const SHIFT: usize = 160;
const STALL: usize = 4800;
/// Silence of a clocked path before the first sound: a second.
const LAG_MAX: usize = 8000;
/// A phone that says nothing for so long is heard to stop: more than a jitter buffer has.
const HICCUP: Duration = Duration::from_millis(60);
/// Runs, of which all but the last may be spoilt by the host.
const ATTEMPTS: u32 = 4;

struct Phone {
    voice: Voice,
    socket: UdpSocket,
    uuid: String,
    to: SocketAddr,
    packets: Vec<Vec<u8>>,
    said: usize,
    /// Payloads heard, by their number from the first on.
    heard: Vec<(i32, Vec<u8>)>,
    first: Option<u16>,
    strangers: bool,
}

fn request(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let answer = http(port, method, path, &body.to_string()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{method} {path} {body}: {answer}");
    let start = answer.find("\r\n\r\n").unwrap() + 4;
    serde_json::from_str(&answer[start..]).unwrap_or(Value::Null)
}

/// `audio` of a target.
fn audio(voice: Voice) -> Value {
    let payload = voice.payload();
    let mut audio = json!({ "payloads": [payload.number], "ptime": voice.ptime_ms() });
    if let Some(encoding) = payload.encoding {
        audio["rtpmap"] = json!({ payload.number.to_string(): format!("{}/{}", encoding.name, encoding.clock_rate_hz) });
    }
    if let Some(fmtp) = payload.fmtp {
        audio["fmtp"] = json!({ payload.number.to_string(): fmtp });
    }
    audio
}

impl Phone {
    fn new(port: u16, voice: Voice, speech: &[i16], strangers: bool) -> Self {
        let socket = rtp_socket(HERE).unwrap();
        socket.set_nonblocking(true).unwrap();
        let channel = request(port, "POST", "/channel", &json!({}));
        let uuid = channel["uuid"].as_str().unwrap().to_owned();
        let to = SocketAddr::new(HERE, u16::try_from(channel["port"].as_u64().unwrap()).unwrap());
        let target = json!({ "ip": "127.0.0.1", "port": socket.local_addr().unwrap().port(), "audio": audio(voice) });
        request(port, "PUT", &format!("/channel/{uuid}"), &target);
        let samples = if voice.rate() == 8000 { speech.to_vec() } else { widened(speech) };
        Self { voice, socket, uuid, to, packets: voice.encode(&samples), said: 0, heard: Vec::new(), first: None, strangers }
    }

    /// Says what is due, and hears what came.
    fn pass(&mut self, passed: Duration, number: u32) {
        while self.said < self.packets.len() && passed.as_millis() >= (self.said as u32 * self.voice.ptime_ms()).into() {
            let (voice, n) = (self.voice, self.said as u32);
            let mut bytes = common::packet(voice.payload().number, number, n, voice.clock(), &self.packets[self.said]);
            bytes[4..8].copy_from_slice(&(n * voice.clock() * voice.ptime_ms() / 1000).to_be_bytes());
            self.socket.send_to(&bytes, self.to).unwrap();
            self.said += 1;
        }
        let mut bytes = [0; 2048];
        while let Ok((len, from)) = self.socket.recv_from(&mut bytes) {
            assert_eq!(from, self.to);
            let view = RtpView::parse(&bytes[..len]).unwrap();
            if view.header.payload_type.number() == self.voice.payload().number {
                let first = *self.first.get_or_insert(view.header.sequence.0);
                let place = i32::from(view.header.sequence.0.wrapping_sub(first) as i16);
                self.heard.push((place, bytes[view.payload].to_vec()));
            }
        }
    }

    /// What it heard, at 8 kHz.
    fn ear(&mut self) -> Vec<i16> {
        self.heard.sort_by_key(|(place, _)| *place);
        self.heard.dedup_by_key(|(place, _)| *place);
        narrowed(self.voice, &self.voice.decode(self.heard.iter().map(|(_, octets)| octets.as_slice())))
    }

    /// What it said, as its codec left it.
    fn mouth(&self) -> Vec<i16> {
        self.voice.decode(self.packets.iter().map(Vec::as_slice))
    }
}

/// What a listener should hear of some samples at the speaker's rate, at 8 kHz: through its rate and its codec, offline.
fn expected(listener: Voice, speaker: Voice, said: &[i16]) -> Vec<i16> {
    if listener == speaker {
        // Relayed as it is.
        return narrowed(speaker, said);
    }
    let at_rate = match (speaker.rate(), listener.rate()) {
        (8000, 16_000) => widened(said),
        (16_000, 8000) => narrowed(speaker, said),
        _ => said.to_vec(),
    };
    narrowed(listener, &listener.decode(listener.encode(&at_rate).iter().map(Vec::as_slice)))
}

/// How much later than `said` the sound is in `heard`: clocked paths send silence until it comes.
fn lag(said: &[i16], heard: &[i16]) -> usize {
    let from = 4 * WINDOW;
    let product = |lag: usize| -> i64 {
        let part = heard.get(from + lag..from + lag + 2 * WINDOW).unwrap_or_default();
        part.iter().zip(&said[from..]).step_by(16).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
    };
    (0..LAG_MAX).step_by(2).max_by_key(|lag| product(*lag)).unwrap_or(0)
}

fn widened(samples: &[i16]) -> Vec<i16> {
    let mut wide = vec![0; 2 * samples.len()];
    Kernels::best().resample.up(&mut Upsampler::default(), samples, &mut wide);
    wide
}

fn narrowed(voice: Voice, samples: &[i16]) -> Vec<i16> {
    if voice.rate() == 8000 {
        return samples.to_vec();
    }
    let mut narrow = vec![0; samples.len() / 2];
    Kernels::best().resample.down(&mut Downsampler::default(), &samples[..2 * narrow.len()], &mut narrow);
    narrow
}

/// Where a window of `said` fits best in `heard`, up to `shift` from `at`, and its signal to noise there; `None` for silence.
fn fit(said: &[i16], heard: &[i16], at: usize, shift: usize) -> Option<(usize, f64)> {
    let energy: f64 = said.iter().map(|x| f64::from(*x).powi(2)).sum();
    if energy < 200.0 * 200.0 * WINDOW as f64 {
        return None;
    }
    // Coarsely first, with every sixteenth sample and at every second place: speech here has little above 2 kHz.
    let product = |lag: usize, step: usize| -> i64 {
        let part = heard.get(lag..lag + said.len()).unwrap_or_default();
        part.iter().zip(said).step_by(step).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
    };
    let coarse = (at.saturating_sub(shift)..at + shift).step_by(2).max_by_key(|lag| product(*lag, 16))?;
    let lag = (coarse.saturating_sub(6)..coarse + 6).max_by_key(|lag| product(*lag, 1))?;
    let part = heard.get(lag..lag + said.len())?;
    let noise: f64 = part.iter().zip(said).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    Some((lag, 10.0 * (energy / noise.max(1.0)).log10()))
}

/// Signal to noise of each window from a second in, when all have settled, to the last but one.
fn windows(said: &[i16], heard: &[i16], least: f64) -> Vec<f64> {
    // Where a window is in `heard`: so much behind its place in `said`, or before it.
    let mut late = lag(said, heard) as isize;
    let mut all = Vec::new();
    for at in (4..SPEECH.as_millis() as usize / 200 - 2).map(|window| window * WINDOW) {
        let Some(window) = said.get(at..at + WINDOW) else { break };
        let wanted = at.saturating_add_signed(late);
        let near = fit(window, heard, wanted, SHIFT);
        let found = near.filter(|(_, db)| *db >= least).or_else(|| {
            let far = fit(window, heard, wanted, STALL)?;
            Some(near.filter(|near| near.1 >= far.1).unwrap_or(far))
        });
        let Some((place, db)) = found else { continue };
        if db >= least {
            late = place as isize - at as isize;
        }
        all.push(db);
    }
    all
}

/// Least median of a pair. On a quiet machine most are equal to the sample. One table from one G.711 to the other leaves 35 dB, an
/// encoder that began with another packet 43 dB in G.722, and 17 dB in iLBC whose frames begin elsewhere.
const fn least_db(grade: Grade) -> f64 {
    match grade {
        Grade::Plain => 25.0,
        Grade::G722 => 25.0,
        Grade::Ilbc => 10.0,
    }
}

/// What one run of all pairs showed.
struct Run {
    /// Pairs whose speech was not right, and how wrong.
    worst: Vec<String>,
    /// The host took the core from the test or the server for so long that a phone would have heard it too.
    stalled: bool,
}

#[test]
fn speech_is_right_between_every_pair_of_codecs_and_strangers_are_not_heard() {
    let all = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testfiles/vectors/plc/speech.ulaw")).unwrap();
    let mut speech = vec![0; all.len()];
    Kernels::best().g711.ulaw_decode(&all, &mut speech);
    let speech = &speech[8000..8000 + 8 * SPEECH.as_millis() as usize];
    for attempt in 1..=ATTEMPTS {
        let Run { worst, stalled } = run(speech);
        if worst.is_empty() {
            return;
        }
        assert!(stalled && attempt < ATTEMPTS, "attempt {attempt}: {} pairs: {worst:#?}", worst.len());
        println!("attempt {attempt}: the host stalled it, again");
    }
}

fn run(speech: &[i16]) -> Run {
    let ports = Ports { rtp: free_port_range(140).expect("free RTP ports"), ..Ports::free() };
    let mut process = start_rtp(&ports, &[]);
    let mut phones = Vec::new();
    for (n, one) in Voice::ALL.into_iter().enumerate() {
        for (m, other) in Voice::ALL.into_iter().enumerate().skip(n) {
            let strangers = (n + m) % 2 == 1;
            let pair = [one, other].map(|voice| Phone::new(ports.rtp_http, voice, speech, strangers));
            request(ports.rtp_http, "PUT", &format!("/channel/{}/mix/{}", pair[0].uuid, pair[1].uuid), &json!({}));
            phones.extend(pair);
        }
    }
    // Strangers: another host, and another port of the right one.
    let evil = ["127.66.6.6:0", "127.0.0.1:0"].map(|address| UdpSocket::bind(address).unwrap());
    let rtp = common::packet(0, 666, 1, 8000, &[0x15; 160]);
    let others: [&[u8]; 5] = [&[], &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], &[22, 254, 253, 0], &[0x80; 11], &[0x80; 60_000]];
    let (start, mut ticks) = (Instant::now(), 0);
    let (mut attacks, mut looked, mut longest) = (0, start, Duration::ZERO);
    while start.elapsed() < SPEECH + Duration::from_millis(400) {
        longest = longest.max(looked.elapsed());
        looked = Instant::now();
        // The first 200 ms belong to the strangers.
        let passed = start.elapsed().checked_sub(Duration::from_millis(200));
        for (number, phone) in phones.iter_mut().enumerate() {
            if let Some(passed) = passed {
                phone.pass(passed, number as u32);
            }
            if phone.strangers && ticks % 4 == 0 {
                evil.iter().for_each(|socket| {
                    let _ = socket.send_to(&rtp, phone.to);
                    let _ = socket.send_to(others[(ticks / 4 + number) % 5], phone.to);
                });
                attacks += 4;
            }
        }
        ticks += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut worst: Vec<String> = Vec::new();
    for pair in 0..phones.len() / 2 {
        for (n, m) in [(2 * pair, 2 * pair + 1), (2 * pair + 1, 2 * pair)] {
            let (listener, speaker) = (phones[n].voice, phones[m].voice);
            let said = expected(listener, speaker, &phones[m].mouth());
            let heard = phones[n].ear();
            let least = least_db(listener.grade().max(speaker.grade()));
            let mut snr = windows(&said, &heard, least);
            snr.sort_by(f64::total_cmp);
            let median = snr.get(snr.len() / 2).copied().unwrap_or(f64::NEG_INFINITY);
            println!("{speaker:?} to {listener:?}: {median:.1} dB, {} windows, {} packets", snr.len(), phones[n].heard.len());
            if median < least {
                worst.push(format!("{speaker:?} to {listener:?}: {median:.1} dB of {snr:.0?}"));
            }
            let stats = request(ports.rtp_http, "GET", &format!("/channel/{}", phones[n].uuid), &json!({}));
            let refused = stats["in"]["badsource"].as_u64().unwrap();
            assert_eq!(refused > 0, phones[n].strangers, "{stats}");
            assert_eq!(stats["remote"]["port"], phones[n].socket.local_addr().unwrap().port(), "{stats}");
        }
    }
    let status = request(ports.rtp_http, "GET", "/status", &json!({}));
    println!("{attacks} packets of strangers, looked each {longest:.0?} at most; {status}");
    let stalled = longest > HICCUP || status["rtp"]["slots_skipped"].as_u64().unwrap() > 0;
    for phone in &phones {
        request(ports.rtp_http, "DELETE", &format!("/channel/{}", phone.uuid), &json!({}));
    }
    process.stop(Duration::from_secs(10)).unwrap();
    Run { worst, stalled }
}
