//! The client against servers on 127.0.0.1, ours and bare sockets.

use rt::{AsyncReadExt, Latch, TcpListener, run_test, spawn_local};

use super::*;
use crate::server::{Handler, ServerConfig, ServerStats, Timeouts, serve};
use crate::wire::{Request, Response};

struct Echo;

impl Handler for Echo {
    async fn handle(&self, request: Request) -> Response {
        match request.path.segments().next() {
            Some("slow") => std::future::pending::<()>().await,
            Some("pause") => rt::sleep(Duration::from_millis(30)).await,
            _ => {}
        }
        let mut body = request.headers.first("authorization").unwrap_or("nobody").as_bytes().to_vec();
        body.extend_from_slice(&request.body);
        Response::with_body(200, "text/plain", body)
    }
}

fn client(config: ClientConfig) -> Client {
    Client::new(config, Rc::default())
}

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = Url::parse(&format!("http://{}/x", listener.local_addr())).unwrap();
    (listener, url)
}

/// The server and its address by socket: as IPv6 sockets write it, which no server of the executor is known by.
async fn echo_server() -> (Url, Latch) {
    let (url, stop) = near_server(ServerConfig::default()).await;
    (Url::parse(&format!("http://[::ffff:127.0.0.1]:{}/x", url.port())).unwrap(), stop)
}

/// The server and its address within the executor.
async fn near_server(config: ServerConfig) -> (Url, Latch) {
    let (listener, url) = listen().await;
    let stop = Latch::new();
    spawn_local(serve(listener, Rc::new(Echo), config, Rc::new(ServerStats::default()), stop.clone()));
    rt::yield_now().await;
    (url, stop)
}

/// A server that answers each connection with the next of `scripts`, one text per request, then closes.
async fn scripted(scripts: Vec<Vec<&'static str>>) -> Url {
    let (listener, url) = listen().await;
    spawn_local(async move {
        for script in scripts {
            let (mut stream, _) = listener.accept().await;
            for text in script {
                let mut input = [0; 1024];
                if !matches!(stream.read(&mut input).await, Ok(1..)) {
                    break;
                }
                stream.write_all(text.as_bytes()).await.unwrap();
            }
        }
    });
    url
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn connections_are_kept_and_used_again() {
    run_test(async {
        let (url, stop) = echo_server().await;
        let client = client(ClientConfig::default());
        for _ in 0..5 {
            let answer = client.request(&Outgoing::json(Method::Put, &url, b"{}")).await.unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"nobody{}"[..]));
        }
        assert_eq!(client.counts(), (5, 1));
        stop.open();
    });
}

#[test]
fn requests_at_once_have_a_connection_each_and_few_are_kept() {
    run_test(async {
        let (url, stop) = echo_server().await;
        let client = Rc::new(client(ClientConfig { idle_per_origin_max: 2, ..ClientConfig::default() }));
        for _ in 0..2 {
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let (client, url) = (Rc::clone(&client), url.clone());
                    spawn_local(async move { client.request(&Outgoing::json(Method::Get, &url, b"")).await })
                })
                .collect();
            for task in tasks {
                assert_eq!(task.await.unwrap().status, 200);
            }
        }
        assert_eq!(client.counts(), (8, 6), "two of the first four are used again");
        stop.open();
    });
}

#[test]
fn a_stale_connection_is_replaced_once() {
    run_test(async {
        // The first connection answers once and closes; nothing was answered to the second request on it.
        let url = scripted(vec![vec![OK], vec![OK, OK]]).await;
        let client = client(ClientConfig::default());
        for _ in 0..3 {
            assert_eq!(client.request(&Outgoing::json(Method::Post, &url, b"{}")).await.unwrap().status, 200);
        }
        assert_eq!(client.counts(), (3, 2));
    });
}

#[test]
fn a_request_is_not_sent_again_once_something_was_answered() {
    run_test(async {
        let url = scripted(vec![vec![OK, "HTTP/1.1 200 OK\r\nContent-Le"], vec![OK]]).await;
        let client = client(ClientConfig::default());
        let request = Outgoing::json(Method::Post, &url, b"{}");
        assert!(client.request(&request).await.is_ok());
        assert_eq!(client.request(&request).await, Err(ClientError::Answer(WireError::Truncated)));
    });
}

#[test]
fn a_fresh_connection_that_closes_is_an_error() {
    run_test(async {
        let url = scripted(vec![vec![""], vec![OK]]).await;
        let client = client(ClientConfig::default());
        let error = client.request(&Outgoing::json(Method::Get, &url, b"")).await.unwrap_err();
        assert_eq!(error, ClientError::Answer(WireError::Truncated));
    });
}

#[test]
fn junk_and_too_much_are_refused() {
    run_test(async {
        let client = client(ClientConfig { limits: Limits { body_bytes_max: 10, ..Limits::default() }, ..ClientConfig::default() });
        for text in ["junk\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n01234567890"] {
            let url = scripted(vec![vec![text]]).await;
            let result = client.request(&Outgoing::json(Method::Get, &url, b"")).await;
            assert!(matches!(result, Err(ClientError::Answer(_))), "{text}: {result:?}");
        }
    });
}

#[test]
fn a_silent_server_costs_the_time_out_and_no_more() {
    run_test(async {
        let (url, stop) = echo_server().await;
        let slow = Url::parse(&format!("http://{}/slow", url.authority())).unwrap();
        let client = client(ClientConfig::default());
        let start = Instant::now();
        let request = Outgoing { timeout: Some(Duration::from_millis(50)), ..Outgoing::json(Method::Get, &slow, b"") };
        assert_eq!(client.request(&request).await, Err(ClientError::Timeout));
        assert!(start.elapsed() < Duration::from_millis(800));
        assert!(client.request(&Outgoing::json(Method::Get, &url, b"")).await.is_ok(), "others are not disturbed");
        stop.open();
    });
}

#[test]
fn nobody_there_is_an_error_at_once() {
    run_test(async {
        let (listener, url) = listen().await;
        drop(listener);
        let result = client(ClientConfig::default()).request(&Outgoing::json(Method::Get, &url, b"")).await;
        assert_eq!(result, Err(ClientError::Connect(io::ErrorKind::ConnectionRefused)));
    });
}

#[test]
fn more_requests_than_may_be_are_refused() {
    run_test(async {
        let (url, stop) = echo_server().await;
        let slow = Url::parse(&format!("http://{}/slow", url.authority())).unwrap();
        let client = Rc::new(client(ClientConfig { in_flight_max: 1, ..ClientConfig::default() }));
        let other = Rc::clone(&client);
        spawn_local(async move { drop(other.request(&Outgoing::json(Method::Get, &slow, b"")).await) });
        rt::yield_now().await;
        assert_eq!(client.request(&Outgoing::json(Method::Get, &url, b"")).await, Err(ClientError::Busy(1)));
        stop.open();
    });
}

#[test]
fn names_are_resolved_and_the_token_is_presented() {
    run_test(async {
        let (url, stop) = echo_server().await;
        // In these letters it is left to the resolver.
        let named = Url::parse(&format!("http://LocalHost:{}/", url.port())).unwrap();
        let client = client(ClientConfig { token: Token::parse("0123456789abcdef").ok(), ..ClientConfig::default() });
        let answer = client.request(&Outgoing::json(Method::Get, &named, b"")).await.unwrap();
        assert_eq!(answer.body, b"Bearer 0123456789abcdef");
        stop.open();
    });
}

/// Another path of the same server.
fn at(url: &Url, path: &str) -> Url {
    Url::parse(&format!("http://{}{path}", url.authority())).unwrap()
}

#[test]
fn a_server_of_the_executor_is_asked_without_a_connection() {
    run_test(async {
        let token = Token::parse("0123456789abcdef").ok();
        let limits = Limits { body_bytes_max: 10, ..Limits::default() };
        let (url, stop) = near_server(ServerConfig { token: token.clone(), limits, ..ServerConfig::default() }).await;
        let stranger = client(ClientConfig::default());
        assert_eq!(stranger.request(&Outgoing::json(Method::Get, &url, b"")).await.unwrap().status, 401);
        assert_eq!(stranger.request(&Outgoing::json(Method::Get, &at(&url, "/health"), b"")).await.unwrap().status, 200);
        let client = client(ClientConfig { token, ..ClientConfig::default() });
        for path in ["/x", "/pause"] {
            let answer = client.request(&Outgoing::json(Method::Put, &at(&url, path), b"{}")).await.unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"Bearer 0123456789abcdef{}"[..]));
            assert_eq!(answer.headers.first("content-type"), Some("text/plain"));
            let head = client.request(&Outgoing::json(Method::Head, &at(&url, path), b"")).await.unwrap();
            assert_eq!((head.status, head.body.len()), (200, 0));
        }
        assert_eq!(client.request(&Outgoing::json(Method::Put, &url, b"0123456789a")).await.unwrap().status, 413);
        assert_eq!(client.request(&Outgoing::json(Method::Get, &at(&url, "/%"), b"")).await.unwrap().status, 400);
        assert_eq!((client.counts(), stranger.counts()), ((6, 0), (2, 0)));
        stop.open();
    });
}

#[test]
fn time_outs_hold_within_the_executor_too() {
    run_test(async {
        let soon = Duration::from_millis(50);
        let timeouts = Timeouts { handler: soon, ..Timeouts::default() };
        let (url, stop) = near_server(ServerConfig { timeouts, ..ServerConfig::default() }).await;
        let client = Rc::new(client(ClientConfig { in_flight_max: 1, ..ClientConfig::default() }));
        let slow = at(&url, "/slow");
        assert_eq!(client.request(&Outgoing::json(Method::Get, &slow, b"")).await.unwrap().status, 504);
        let hurried = Outgoing { timeout: Some(soon / 2), ..Outgoing::json(Method::Get, &slow, b"") };
        assert_eq!(client.request(&hurried).await, Err(ClientError::Timeout));
        let (other, waiting) = (Rc::clone(&client), slow.clone());
        spawn_local(async move { drop(other.request(&Outgoing::json(Method::Get, &waiting, b"")).await) });
        rt::yield_now().await;
        assert_eq!(client.request(&Outgoing::json(Method::Get, &url, b"")).await, Err(ClientError::Busy(1)));
        stop.open();
    });
}

#[test]
fn a_stop_answers_what_was_begun_and_takes_no_more() {
    run_test(async {
        let (url, stop) = near_server(ServerConfig::default()).await;
        let client = Rc::new(client(ClientConfig::default()));
        let (other, pause) = (Rc::clone(&client), at(&url, "/pause"));
        let begun = spawn_local(async move { other.request(&Outgoing::json(Method::Get, &pause, b"")).await });
        rt::yield_now().await;
        stop.open();
        assert_eq!(begun.await.unwrap().status, 200);
        let result = client.request(&Outgoing::json(Method::Get, &url, b"")).await;
        assert!(matches!(result, Err(ClientError::Connect(_))), "{result:?}");
    });
}

#[test]
fn a_server_of_the_executor_answers_from_within_and_of_another_the_request_comes_back() {
    run_test(async {
        let (url, stop) = near_server(ServerConfig::default()).await;
        let client = client(ClientConfig::default());
        let told = Rc::new(std::cell::RefCell::new(None));
        let ask = |url: &Url, timeout: Option<Duration>| {
            let place = Rc::clone(&told);
            let outgoing = Outgoing { timeout, ..Outgoing::json(Method::Put, url, b"") };
            client.ask_here(&outgoing, b"{}".to_vec(), move |answer| drop(place.replace(Some(answer)))).map_err(|(body, _)| body)
        };
        assert_eq!(ask(&url, None), Ok(()));
        let answer = told.take().unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"nobody{}"[..]));
        assert_eq!(ask(&Url::parse("http://192.0.2.1:1/x").unwrap(), None), Err(b"{}".to_vec()));
        let slow = Url::parse(&format!("http://{}/slow", url.authority())).unwrap();
        assert_eq!(ask(&slow, Some(Duration::from_millis(1))), Ok(()));
        while told.borrow().is_none() {
            rt::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(told.take(), Some(Err(ClientError::Timeout)));
        assert_eq!((client.counts(), client.watch.count()), ((2, 0), 0));
        stop.open();
    });
}
