//! The server on real sockets of 127.0.0.1.

use std::cell::Cell;
use std::net::SocketAddr;

use rt::{AsyncReadExt, TcpStream, run_test, spawn_local};

use super::*;

/// Answers with method, path and body; `/slow` never, `/held` when the latch opens.
#[derive(Default)]
struct Echo {
    handled: Cell<u32>,
    held: Latch,
}

impl Handler for Echo {
    async fn handle(&self, request: Request) -> Response {
        self.handled.set(self.handled.get() + 1);
        let path: Vec<&str> = request.path.segments().collect();
        match path.as_slice() {
            ["slow"] => std::future::pending().await,
            ["held"] => self.held.wait().await,
            ["pause"] => rt::sleep(Duration::from_millis(100)).await,
            _ => {}
        }
        let mut body = format!("{} /{} ", request.method.word(), path.join("/")).into_bytes();
        body.extend_from_slice(&request.body);
        Response::with_body(200, "text/plain", body)
    }
}

struct Running {
    address: SocketAddr,
    echo: Rc<Echo>,
    stats: Rc<ServerStats>,
    stop: Latch,
    ended: rt::JoinHandle<()>,
}

async fn start(config: ServerConfig) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    let (echo, stats, stop) = (Rc::new(Echo::default()), Rc::new(ServerStats::default()), Latch::new());
    let ended = spawn_local(serve(listener, Rc::clone(&echo), config, Rc::clone(&stats), stop.clone()));
    Running { address, echo, stats, stop, ended }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        rt::connect(self.address, Duration::from_secs(1)).await.unwrap()
    }

    /// All that comes for `bytes` until the server closes.
    async fn exchange(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }

    async fn end(self) {
        self.stop.open();
        self.ended.await;
    }
}

/// Waits until it is so; `run_test` ends a wait that does not.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        rt::sleep(Duration::from_millis(1)).await;
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    String::from_utf8(all).unwrap()
}

fn quick() -> ServerConfig {
    let soon = Duration::from_millis(50);
    let timeouts = Timeouts { head: soon, body: soon, idle: soon, write: Duration::from_secs(1), handler: soon };
    ServerConfig { timeouts, grace: Duration::from_millis(300), ..ServerConfig::default() }
}

fn bodies(text: &str) -> Vec<&str> {
    text.split("HTTP/1.1 ").skip(1).map(|response| response.split("\r\n\r\n").nth(1).unwrap()).collect()
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    run_test(async {
        let server = start(ServerConfig::default()).await;
        let text = server
            .exchange(
                "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab\
                 POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n\
                 HEAD /4 HTTP/1.1\r\nHost: h\r\n\r\nGET /pause HTTP/1.1\r\nHost: h\r\n\r\nGET /6 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /7 HTTP/1.1\r\n\r\n",
            )
            .await;
        assert_eq!(bodies(&text), ["GET /1 ", "PUT /2 ab", "POST /3 c", "", "GET /pause ", "GET /6 "]);
        assert!(text.contains("Content-Length: 8\r\n\r\nHTTP/1.1"), "HEAD tells the length it would have: {text}");
        assert_eq!(server.stats.requests_total.get(), 6);
        server.end().await;
    });
}

#[test]
fn a_request_in_single_bytes_is_answered() {
    run_test(async {
        let server = start(ServerConfig::default()).await;
        let mut stream = server.connect().await;
        for byte in b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" {
            stream.write_all(&[*byte]).await.unwrap();
        }
        assert_eq!(bodies(&read_all(&mut stream).await), ["PUT /x ok"]);
        server.end().await;
    });
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    run_test(async {
        let server = start(ServerConfig::default()).await;
        assert_eq!(bodies(&server.exchange("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n").await), ["GET /a "]);
        let kept = server.exchange("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n").await;
        assert_eq!(bodies(&kept), ["GET /a ", "GET /b "]);
        assert!(kept.contains("Connection: keep-alive") && kept.contains("Connection: close"));
        server.end().await;
    });
}

#[test]
fn broken_requests_get_their_status_and_the_connection_closes() {
    run_test(async {
        let server = start(ServerConfig::default()).await;
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20 << 10));
        for (bytes, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("hello\r\n\r\n", 400),
            ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n", 413),
            ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("PUT / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", 417),
            ("GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
            (&long, 431),
        ] {
            let text = server.exchange(bytes).await;
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains("Connection: close"), "{bytes:.80}: {text}");
            assert!(text.contains("{\"error\":\""), "{text}");
        }
        assert_eq!((server.stats.bad_total.get(), server.echo.handled.get()), (7, 0));
        server.end().await;
    });
}

#[test]
fn a_refused_body_can_still_be_sent_and_the_answer_read() {
    run_test(async {
        let server = start(ServerConfig::default()).await;
        let mut stream = server.connect().await;
        stream.write_all(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n").await.unwrap();
        // The client has not read yet and goes on; a reset would lose the answer.
        stream.write_all(&[b'x'; 100_000]).await.unwrap();
        assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 413 "));
        server.end().await;
    });
}

#[test]
fn who_waits_for_continue_gets_it() {
    run_test(async {
        let server = start(ServerConfig::default()).await;
        let mut stream = server.connect().await;
        let head = "PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut interim = [0; CONTINUE_BYTES];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(interim, crate::wire::CONTINUE);
        stream.write_all(b"ok").await.unwrap();
        assert_eq!(bodies(&read_all(&mut stream).await), ["PUT /x ok"]);
        server.end().await;
    });
}

const CONTINUE_BYTES: usize = 25;

#[test]
fn a_slow_head_and_a_slow_body_end_with_408() {
    run_test(async {
        let server = start(quick()).await;
        for begun in ["GET / HTTP/1.1\r\nHost", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"] {
            let text = server.exchange(begun).await;
            assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("\"timeout\""), "{text}");
        }
        assert_eq!(server.stats.timeouts_total.get(), 2);
        server.end().await;
    });
}

#[test]
fn a_byte_now_and_then_does_not_hold_a_connection() {
    run_test(async {
        let server = start(quick()).await;
        let (mut reader, mut writer) = futures_lite::io::split(server.connect().await);
        let begun = std::time::Instant::now();
        let gone = Latch::new();
        let seen = gone.clone();
        let drip = spawn_local(async move {
            writer.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
            while !seen.is_open() && writer.write_all(b"y").await.is_ok() {
                rt::sleep(Duration::from_millis(15)).await;
            }
        });
        let mut status = [0; 12];
        reader.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 408");
        gone.open();
        drip.await;
        assert!(begun.elapsed() < Duration::from_secs(2));
        server.end().await;
    });
}

#[test]
fn an_idle_connection_closes_in_silence() {
    run_test(async {
        let server = start(quick()).await;
        let text = server.exchange("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(bodies(&text), ["GET /a "]);
        assert!(!text.contains("408"));
        server.end().await;
    });
}

#[test]
fn a_handler_that_does_not_answer_is_504_and_the_connection_lives() {
    run_test(async {
        let server = start(quick()).await;
        let text = server.exchange("GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 504 ") && text.ends_with("GET /b "), "{text}");
        server.end().await;
    });
}

#[test]
fn connections_beyond_the_bound_get_503() {
    run_test(async {
        let server = start(ServerConfig { connections_max: 2, ..ServerConfig::default() }).await;
        let first = server.connect().await;
        let second = server.connect().await;
        let text = server.exchange("").await;
        assert!(text.starts_with("HTTP/1.1 503 ") && text.ends_with("open now\"}"), "{text}");
        drop((first, second));
        until(|| server.stats.connections.get() == 0).await;
        assert!(server.exchange("GET /a HTTP/1.0\r\n\r\n").await.ends_with("GET /a "));
        assert_eq!(server.stats.refused_total.get(), 1);
        server.end().await;
    });
}

#[test]
fn bodies_in_the_making_share_one_budget() {
    run_test(async {
        let server = start(ServerConfig { buffered_bytes_max: 300 << 10, ..ServerConfig::default() }).await;
        let stats = &server.stats;
        let mut held = Vec::new();
        for _ in 0..4 {
            let mut stream = server.connect().await;
            stream.write_all(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n").await.unwrap();
            stream.write_all(&[b'x'; 150_000]).await.unwrap();
            until(|| stats.buffered_bytes.get() >= 150_000).await;
            held.push(stream);
        }
        until(|| stats.errors_total.get() >= 2).await;
        for refused in held.iter_mut().skip(2) {
            let mut start = [0; 12];
            refused.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 503");
        }
        held[0].write_all(&[b'x'; 50_000]).await.unwrap();
        assert!(read_all(&mut held[0]).await.starts_with("HTTP/1.1 200 "), "who was there first is not disturbed");
        drop(held);
        until(|| server.stats.connections.get() == 0).await;
        assert_eq!(server.stats.buffered_bytes.get(), 0);
        server.end().await;
    });
}

#[test]
fn a_token_is_asked_for_but_not_for_health() {
    run_test(async {
        let token = Token::parse("0123456789abcdef").ok();
        let server = start(ServerConfig { token, ..ServerConfig::default() }).await;
        let text = server.exchange("GET /dir HTTP/1.0\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 401 ") && text.contains("WWW-Authenticate: Bearer"), "{text}");
        for open in [
            "GET /health HTTP/1.0\r\n\r\n",
            "GET /ready HTTP/1.0\r\n\r\n",
            "GET /dir HTTP/1.0\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n",
        ] {
            assert!(server.exchange(open).await.starts_with("HTTP/1.1 200 "));
        }
        assert!(server.exchange("GET /health/x HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.1 401 "));
        assert_eq!(server.stats.unauthorized_total.get(), 2);
        server.end().await;
    });
}

#[test]
fn stop_closes_idle_connections_and_answers_begun_requests() {
    run_test(async {
        // Nobody is helped by the grace: what ends here ends by itself.
        let server = start(ServerConfig { grace: Duration::from_secs(3600), ..ServerConfig::default() }).await;
        let mut idle = server.connect().await;
        idle.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut begun = server.connect().await;
        begun.write_all(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        until(|| server.stats.requests_total.get() == 2).await;
        let (address, held) = (server.address, server.echo.held.clone());
        // A server that was told to stop takes no more connections.
        spawn_local(async move {
            while rt::connect(address, Duration::from_secs(1)).await.is_ok() {
                rt::sleep(Duration::from_millis(1)).await;
            }
            held.open();
        });
        server.end().await;
        assert!(read_all(&mut idle).await.ends_with("GET /a "));
        let text = read_all(&mut begun).await;
        assert!(text.ends_with("GET /held ") && text.contains("Connection: close"), "{text}");
        assert!(rt::connect(address, Duration::from_secs(1)).await.is_err());
    });
}

#[test]
fn stop_does_not_wait_for_ever() {
    run_test(async {
        let server = start(ServerConfig { grace: Duration::from_millis(50), ..ServerConfig::default() }).await;
        let mut stuck = server.connect().await;
        stuck.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut half = server.connect().await;
        half.write_all(b"GET /slow HTTP/1.1\r\n").await.unwrap();
        until(|| server.stats.requests_total.get() == 1 && server.stats.connections.get() == 2).await;
        let stats = Rc::clone(&server.stats);
        server.end().await;
        assert_eq!(stats.connections.get(), 0);
    });
}

#[test]
fn curl_is_served() {
    let Ok(version) = std::process::Command::new("curl").arg("--version").output() else {
        println!("skipped: curl is not installed");
        return;
    };
    assert!(version.status.success());
    run_test(async {
        let server = start(ServerConfig::default()).await;
        let url = format!("http://{}/dir/a%20b", server.address);
        let big = "x".repeat(5000);
        for (arguments, expected) in [
            (vec!["-X", "PUT", "-d", "{}"], "PUT /dir/a b {}".to_owned()),
            (vec!["-X", "PUT", "-H", "Transfer-Encoding: chunked", "-d", "{}"], "PUT /dir/a b {}".to_owned()),
            (vec!["-H", "Expect: 100-continue", "-d", &big], format!("POST /dir/a b {big}")),
            (vec!["--http1.0"], "GET /dir/a b ".to_owned()),
        ] {
            let mut command = std::process::Command::new("curl");
            command.args(["-sS", "--max-time", "5", "--noproxy", "*"]).args(arguments).arg(&url);
            let output = rt::spawn_blocking(move || command.output()).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", String::from_utf8_lossy(&output.stderr));
        }
        server.end().await;
    });
}
