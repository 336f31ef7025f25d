//! project-rtp with a media directory, as a control server and a phone meet it: real sockets, real files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use perf::ear::Ear;
use perf::process::{Process, free_port_range, http};
use perf::rtp_peer::{Codec, RtpPeer};
use rtp::wav::Layout;
use serde_json::{Value, json};
use support::{PATIENCE, Ports, program, start_rtp};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A media directory with a tone of 700 Hz, which goes away with it.
struct Media(PathBuf);

impl Media {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mediaswitch-sounds-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let made = program("project-rtp").args(["--tone", "700*0.3:30000"]).arg(path.join("tone.wav")).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        Self(path)
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A control server that takes every event.
struct Control {
    url: String,
    events: mpsc::Receiver<Value>,
}

impl Control {
    fn start() -> Self {
        let listener = TcpListener::bind((HERE, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &sender));
            }
        });
        Self { url, events }
    }

    /// The next event, as `action event reason-or-file`.
    fn next(&self) -> (String, Value) {
        let event = self.events.recv_timeout(PATIENCE).expect("an event");
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let detail = if event["file"].is_null() { word("reason") } else { word("file") };
        (format!("{} {} {detail}", word("action"), word("event")).trim().to_owned(), event)
    }

    /// Skips to the event.
    fn wait(&self, wanted: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let (words, event) = self.next();
            if words == wanted {
                return event;
            }
        }
        panic!("no `{wanted}` came");
    }
}

fn serve(stream: TcpStream, events: &mpsc::Sender<Value>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        if line.is_empty() {
            return;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let _ = events.send(serde_json::from_slice(&body).unwrap());
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    }
}

/// project-rtp and how to talk to it.
struct Server {
    process: Process,
    port: u16,
}

impl Server {
    fn start(media: &Media) -> Self {
        Self::with(media, &Ports::free())
    }

    fn with(media: &Media, ports: &Ports) -> Self {
        Self { process: start_rtp(ports, &["--chroot", media.0.to_str().unwrap()]), port: ports.rtp_http }
    }

    /// With a front and two media shards, on as few CPUs as there may be.
    fn on_two_shards(media: &Media) -> Self {
        let cpus = engine::shard::allowed_cpus();
        let cores = format!("{},{last},{last}", cpus[0], last = cpus.last().unwrap());
        let ports = Ports::free();
        Self { process: start_rtp(&ports, &["--cores", &cores, "--chroot", media.0.to_str().unwrap()]), port: ports.rtp_http }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = http(self.port, method, path, &if body.is_null() { String::new() } else { body.to_string() }).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap())
    }

    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer
    }

    /// A channel to a new phone that speaks 1000 Hz: its path, the phone, where the phone sends.
    fn call(&self, control: &Control, codec: Codec) -> (String, RtpPeer, SocketAddr) {
        let opened = self.ok("POST", "/channel", &json!({"control": control.url}));
        let path = format!("/channel/{}", opened["uuid"].as_str().unwrap());
        let peer = RtpPeer::bind(HERE, codec, 1000.0).unwrap();
        let payloads = json!({"payloads": [codec.payload_type()]});
        self.ok("PUT", &path, &json!({"ip": "127.0.0.1", "port": peer.local_addr().unwrap().port(), "audio": payloads}));
        let port = u16::try_from(opened["port"].as_u64().unwrap()).unwrap();
        (path, peer, SocketAddr::new(HERE, port))
    }
}

fn soup(name: &str) -> Value {
    json!({"files": [{"wav": name}]})
}

/// Frequency and cleanness of the cleanest half second of a wave: a machine that is busy with other tests stalls now and then.
fn tone(samples: &[i16]) -> (f64, f64) {
    let of = |window: &[i16]| {
        let mut ear = Ear::default();
        ear.hear(window);
        ear.tone().map_or((0.0, 0.0), |heard| (heard.tone_hz.round(), heard.snr_db))
    };
    let starts = (0..samples.len().saturating_sub(4000)).step_by(800);
    starts.map(|start| of(&samples[start..start + 4000])).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
}

/// Listens until the tone is clean.
fn listen(phone: &mut RtpPeer, hz: f64) {
    let mut heard = None;
    for _ in 0..8 {
        phone.ear.clear();
        phone.run_for(Duration::from_millis(500));
        heard = phone.ear.tone();
        if heard.is_some_and(|heard| (heard.tone_hz - hz).abs() < 1.0 && heard.snr_db > 30.0) {
            return;
        }
    }
    panic!("{hz} Hz is not heard: {heard:?}");
}

#[test]
fn a_file_is_played_and_both_directions_recorded() {
    let media = Media::new("play");
    let (control, mut server) = (Control::start(), Server::start(&media));
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let (path, mut phone, there) = server.call(&control, codec);
        assert_eq!(server.ok("PUT", &format!("{path}/play"), &soup("tone.wav")), json!({"play": 1}));
        listen(&mut phone, 700.0);
        assert_eq!((phone.counts.lost, phone.counts.ssrc_changes), (0, 0));
        assert_eq!(control.next().0, "play start new");
        let name = format!("{}.wav", codec.name());
        server.ok("PUT", &format!("{path}/record"), &json!({"file": name, "numchannels": 2}));
        let view = server.ok("GET", &path, &Value::Null);
        assert_eq!((&view["play"], &view["record"]), (&json!(1), &json!([name])));
        phone.set_remote(Some(there));
        phone.run_for(Duration::from_millis(3000));
        server.ok("DELETE", &format!("{path}/record/{name}"), &Value::Null);
        let finished = control.wait(&format!("record finished.requested {name}"));
        // The event comes when the file is there, whole.
        let file = fs::read(media.0.join(&name)).unwrap();
        assert_eq!(finished["filesize"], json!(file.len()));
        let layout = Layout::read(&file).unwrap();
        assert_eq!((layout.channels, layout.rate_hz), (2, 8000));
        assert!((1000..9000).contains(&layout.duration_ms()), "{} ms", layout.duration_ms());
        let (left, right): (Vec<i16>, Vec<i16>) = file[layout.data]
            .as_chunks::<4>()
            .0
            .iter()
            .map(|[a, b, c, d]| (i16::from_le_bytes([*a, *b]), i16::from_le_bytes([*c, *d])))
            .unzip();
        let (heard, said) = (tone(&left), tone(&right));
        assert!(heard.0 == 1000.0 && heard.1 > 25.0, "the phone on the left: {heard:?}");
        assert!(said.0 == 700.0 && said.1 > 30.0, "the file on the right: {said:?}");
        server.ok("DELETE", &format!("{path}/play"), &Value::Null);
        control.wait("play end interrupted");
        server.ok("DELETE", &path, &Value::Null);
        control.wait("close  requested");
    }
    let status = server.ok("GET", "/status", &Value::Null);
    assert_eq!((&status["rtp"]["sounds_read"], &status["rtp"]["recordings"]), (&json!(1), &json!(0)), "{status}");
    // A channel that runs at the end leaves a whole file.
    let (path, mut phone, there) = server.call(&control, Codec::Pcmu);
    server.ok("PUT", &format!("{path}/record"), &json!({"file": "last.wav", "format": "wire"}));
    phone.set_remote(Some(there));
    phone.run_for(Duration::from_millis(300));
    assert!(server.process.stop(Duration::from_secs(5)).unwrap().success());
    let file = fs::read(media.0.join("last.wav")).unwrap();
    let layout = Layout::read(&file).unwrap();
    assert!(layout.encoding.name() == "mu-law" && layout.samples() > 800, "{layout:?}");
    assert!(fs::read_dir(&media.0).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().ends_with(".part")));
}

#[test]
fn a_file_is_read_and_decoded_once_for_listeners_on_several_shards() {
    let media = Media::new("shards");
    let (control, server) = (Control::start(), Server::on_two_shards(&media));
    let mut calls = Vec::new();
    let cores = || -> Vec<u64> {
        let status = server.ok("GET", "/status", &Value::Null);
        status["load"]["cores"].as_array().unwrap().iter().map(|core| core["channels"].as_u64().unwrap()).collect()
    };
    while calls.len() < 6 || cores().contains(&0) {
        assert!(calls.len() < 30, "channels on both shards: {:?}", cores());
        calls.push(server.call(&control, Codec::Pcmu));
    }
    assert_eq!(cores().len(), 2);
    // All at once: nobody finds it read already.
    std::thread::scope(|scope| {
        for (path, ..) in &calls {
            let server = &server;
            scope.spawn(move || server.ok("PUT", &format!("{path}/play"), &soup("tone.wav")));
        }
    });
    for (_, phone, _) in &mut calls {
        listen(phone, 700.0);
    }
    let figures = &server.ok("GET", "/status", &Value::Null)["rtp"];
    let read = ["sounds_read", "sounds_shared", "sounds"].map(|name| figures[name].as_u64().unwrap() as usize);
    assert_eq!(read, [1, calls.len() - 1, 1], "{figures}");
}

#[test]
fn what_cannot_be_is_refused_with_its_status_and_stable_code() {
    let media = Media::new("refusals");
    fs::write(media.0.join("text.wav"), "no sound").unwrap();
    let (control, server) = (Control::start(), Server::start(&media));
    let (path, _, _) = server.call(&control, Codec::Pcmu);
    let none = "/channel/00000000-0000-4000-8000-000000000000";
    let cases = [
        ("PUT", format!("{path}/play"), soup("none.wav"), 400, "bad_value", "none.wav: there is no such file"),
        ("PUT", format!("{path}/play"), soup("text.wav"), 400, "bad_value", "text.wav: not a WAV file"),
        ("PUT", format!("{path}/play"), soup("../tone.wav"), 400, "bad_value", "../tone.wav: a name must lie below the media directory"),
        ("PUT", format!("{path}/play"), soup("/etc/passwd"), 400, "bad_value", "/etc/passwd: a name must lie below the media directory"),
        ("PUT", format!("{path}/play"), json!({}), 400, "bad_field", "files is missing"),
        ("PUT", format!("{none}/play"), soup("tone.wav"), 404, "channel_not_open", ""),
        ("DELETE", format!("{none}/play"), Value::Null, 404, "channel_not_open", ""),
        (
            "PUT",
            format!("{path}/record"),
            json!({"file": "../a.wav"}),
            400,
            "bad_value",
            "../a.wav: a name must lie below the media directory",
        ),
        ("PUT", format!("{path}/record"), json!({"file": "none/a.wav"}), 400, "bad_value", "none/a.wav: there is no such file"),
        ("PUT", format!("{path}/record"), json!({"file": "a.wav", "finish": true}), 409, "wrong_state", ""),
        ("DELETE", format!("{path}/record/a.wav"), Value::Null, 409, "wrong_state", ""),
        ("PUT", format!("{none}/record"), json!({"file": "a.wav"}), 404, "channel_not_open", ""),
        ("PUT", format!("{path}/dtmf"), json!({"digits": "x"}), 400, "bad_field", ""),
        ("PUT", format!("{none}/mix/{}", &none[9..]), Value::Null, 404, "channel_not_open", ""),
        ("PUT", format!("{none}/echo"), Value::Null, 404, "channel_not_open", ""),
        ("PUT", format!("{none}/direction"), json!({"send": 1}), 400, "bad_field", "send must be true or false"),
        ("GET", none.to_owned(), Value::Null, 404, "channel_not_open", ""),
        ("DELETE", none.to_owned(), Value::Null, 404, "channel_not_open", ""),
    ];
    for (method, path, body, status, code, detail) in cases {
        let (have, answer) = server.ask(method, &path, &body);
        assert_eq!((have, answer["error"].as_str()), (status, Some(code)), "{method} {path} {body}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(detail), "{answer}");
    }
    let (words, event) = control.next();
    assert_eq!((words.as_str(), &event["detail"]), ("play error", &json!("none.wav: there is no such file")));
    server.ok("PUT", &format!("{path}/record"), &json!({"file": "a.wav"}));
    let (other, _, _) = server.call(&control, Codec::Pcmu);
    assert_eq!(server.ask("PUT", &format!("{other}/record"), &json!({"file": "./a.wav"})).0, 409, "one file, one recording");
    let (untold, _) = (server.ok("POST", "/", &json!({})), ());
    let untold = format!("/channel/{}", untold["uuid"].as_str().unwrap());
    assert_eq!(server.ask("PUT", &format!("{untold}/play"), &soup("tone.wav")).0, 422, "no far end yet");
    assert_eq!(server.ask("PUT", &format!("{untold}/record"), &json!({"file": "b.wav"})).0, 422);
    std::thread::sleep(Duration::from_millis(150));
    assert!(!media.0.join("b.wav").exists(), "a refused recording leaves nothing");
}

#[test]
fn tone_and_wavinfo_work_from_the_command_line() {
    let media = Media::new("tools");
    let run = |args: &[&str]| program("project-rtp").args(args).current_dir(&media.0).output().unwrap();
    let info = run(&["--wavinfo", "tone.wav"]);
    let text = String::from_utf8(info.stdout).unwrap();
    assert!(info.status.success() && text.contains("duration     30.000 s") && text.contains("PCM, 16 bits"), "{text}");
    for (args, remedy) in [
        (&["--wavinfo", "none.wav"][..], "none.wav"),
        (&["--tone", "700*2:100", "x.wav"], "--tone `700*2:100`"),
        (&["--tone", "700:100"], "one file"),
        (&["--media", "nowhere", "--port", "1"], "media = `nowhere`"),
    ] {
        let output = run(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains(remedy), "{args:?}: {text}");
    }
}

#[test]
fn a_program_that_ends_tells_of_every_channel_that_still_lives() {
    // Each pair tells of its mix on both sides, and each channel of its end.
    const CHANNELS: usize = 300;
    let media = Media::new("farewell");
    let ports = Ports { rtp: free_port_range(2 * CHANNELS as u16).expect("free RTP ports"), ..Ports::free() };
    let (control, mut server) = (Control::start(), Server::with(&media, &ports));
    let open = || server.ok("POST", "/channel", &json!({"control": control.url}))["uuid"].as_str().unwrap().to_owned();
    let mut living: Vec<_> = (0..CHANNELS).map(|_| open()).collect();
    for pair in living.chunks(2) {
        server.ok("PUT", &format!("/channel/{}/mix/{}", pair[0], pair[1]), &json!({}));
    }
    let ended = server.process.stop(Duration::from_secs(5)).unwrap();
    assert!(ended.success(), "{ended}");
    let mut told: Vec<_> = (0..CHANNELS).map(|_| control.wait("close  shutdown")["uuid"].as_str().unwrap().to_owned()).collect();
    living.sort();
    told.sort();
    assert_eq!(told, living);
}
