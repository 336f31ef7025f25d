//! Calls to names, with a real name server on loopback: RFC 3263 from NAPTR to the second server of an SRV.
//!
//! ```text
//!   POST /dialog/invite ─▶ project-sip ─▶ dnsmasq      INVITE ─▶ server 1: 503      INVITE ─▶ server 2: 486
//! ```
//! Where dnsmasq is not installed they say so and prove nothing; `./check` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use perf::process::{Process, free_port, http, http_get};
use support::{PATIENCE, Ports, start_sip};

/// A name server with these records.
fn name_server(records: &[String]) -> Option<(Process, u16)> {
    let port = free_port().unwrap();
    let mut command = Command::new("dnsmasq");
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file="]);
    command
        .args(["--user=root", "--listen-address=127.0.0.1", "--local=/test/", "--local-ttl=60", &format!("--port={port}")])
        .args(records);
    match Process::start(command) {
        Ok(process) => {
            let end = Instant::now() + PATIENCE;
            while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(Instant::now() < end, "dnsmasq does not listen: {}", process.output());
                std::thread::sleep(Duration::from_millis(10));
            }
            Some((process, port))
        }
        Err(error) => {
            println!("skipped: dnsmasq cannot be started ({error}); `./check tools` installs it");
            None
        }
    }
}

fn server() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn invite(sip_http: u16, to: &str) -> String {
    let body = format!(r#"{{"from":"1000@home.test","to":"+44@{to}"}}"#);
    let answer = http(sip_http, "POST", "/dialog/invite", &body).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let json: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    json["callid"].as_str().unwrap().to_owned()
}

fn answer(request: &str, status: &str) -> String {
    let kept = ["via:", "from:", "to:", "call-id:", "cseq:"];
    let lines = request.lines().filter(|line| kept.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
    let lines: Vec<String> = lines.map(|line| if line.starts_with("To:") { format!("{line};tag=far") } else { line.to_owned() }).collect();
    format!("SIP/2.0 {status}\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"))
}

/// Takes the next INVITE for `user` and answers it.
fn refuse(socket: &UdpSocket, status: &str) -> String {
    let mut bytes = [0; 8192];
    loop {
        let (len, from) = socket.recv_from(&mut bytes).unwrap();
        let request = String::from_utf8(bytes[..len].to_vec()).unwrap();
        if request.starts_with("INVITE ") {
            socket.send_to(answer(&request, status).as_bytes(), from).unwrap();
            return request;
        }
    }
}

fn is_over(sip_http: u16, callid: &str) {
    let end = Instant::now() + PATIENCE;
    while http_get(sip_http, &format!("/dialog/{callid}")).unwrap().starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < end, "{callid} goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_name_is_followed_from_naptr_to_the_second_server_and_the_first_is_tried_last_afterwards() {
    let ((first, one), (second, two)) = (server(), server());
    let records = [
        "--naptr-record=example.test,10,10,s,SIPS+D2T,,_sips._tcp.example.test".to_owned(),
        "--naptr-record=example.test,20,10,s,SIP+D2U,,_sip._udp.elsewhere.test".to_owned(),
        format!("--srv-host=_sip._udp.elsewhere.test,a.example.test,{one},1,5"),
        format!("--srv-host=_sip._udp.elsewhere.test,b.example.test,{two},2,5"),
        "--host-record=a.example.test,127.0.0.1".to_owned(),
        "--host-record=b.example.test,127.0.0.1".to_owned(),
    ];
    let Some((_dns, port)) = name_server(&records) else { return };
    let ports = Ports::free();
    let _sip = start_sip(&ports, &["--dns", &format!("127.0.0.1:{port}")]);
    let callid = invite(ports.sip_http, "Example.test");
    let request = refuse(&first, "503 Service Unavailable");
    assert!(request.starts_with("INVITE sip:+44@example.test SIP/2.0"), "{request}");
    let again = refuse(&second, "486 Busy Here");
    assert!(again.contains(&format!("Call-ID: {callid}")), "{again}");
    is_over(ports.sip_http, &callid);
    // The next call knows: straight to the one that answers.
    let callid = invite(ports.sip_http, "example.test");
    refuse(&second, "486 Busy Here");
    is_over(ports.sip_http, &callid);
}

#[test]
fn a_service_over_tcp_is_called_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let records =
        [format!("--srv-host=_sip._tcp.stream.test,t.stream.test,{port},1,1"), "--host-record=t.stream.test,127.0.0.1".to_owned()];
    let Some((_dns, dns)) = name_server(&records) else { return };
    let ports = Ports::free();
    let _sip = start_sip(&ports, &["--dns", &format!("127.0.0.1:{dns}")]);
    let callid = invite(ports.sip_http, "stream.test");
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = String::new();
    while !request.contains("\r\n\r\n") {
        let mut bytes = [0; 4096];
        let len = stream.read(&mut bytes).unwrap();
        assert!(len > 0);
        request.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
    }
    assert!(request.contains("Via: SIP/2.0/TCP ") && request.contains(&format!("Call-ID: {callid}")), "{request}");
    stream.write_all(answer(&request, "486 Busy Here").as_bytes()).unwrap();
    is_over(ports.sip_http, &callid);
}

#[test]
fn a_name_that_is_not_there_and_a_dead_name_server_end_the_call_and_hold_up_nothing() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let Some((_dns, port)) = name_server(&[]) else { return };
    for (dns, within) in [(port, Duration::from_secs(3)), (silent.local_addr().unwrap().port(), Duration::from_secs(8))] {
        let ports = Ports::free();
        let _sip = start_sip(&ports, &["--dns", &format!("127.0.0.1:{dns}")]);
        let start = Instant::now();
        let callid = invite(ports.sip_http, "nowhere.test");
        assert!(start.elapsed() < Duration::from_secs(1), "the API does not wait for names");
        is_over(ports.sip_http, &callid);
        assert!(start.elapsed() < within, "{:?}", start.elapsed());
    }
}
