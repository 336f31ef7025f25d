//! Connections for events against control servers of every temper, on 127.0.0.1.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::pipe::Pipes;
use super::{Delivery, Outcome};
use crate::client::{Client, ClientConfig};
use crate::wire::Method;

const ANSWER: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A server on a thread: `answer` says what a request of a connection gets, `None` closes it. Ends with the test's process.
fn server(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let (counted, answer) = (Arc::clone(&connections), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Relaxed);
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve(stream, &*answer));
        }
    });
    (url, connections)
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> Option<String>) {
    let (mut input, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        while let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..end]).into_owned();
            input.drain(..end + 4 + BODY.len());
            let Some(text) = answer(head.split(' ').nth(1).unwrap_or_default()) else { return };
            if stream.write_all(text.as_bytes()).is_err() || text.contains("close") {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(count @ 1..) => input.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
}

const BODY: &str = "{}";

/// Sends `count` at once; what became of each, and when.
fn outcomes(url: &str, count: usize) -> Vec<(Outcome, Duration)> {
    let url = url.to_owned();
    rt::run_test(async move {
        let results = Rc::new(RefCell::new(vec![None; count]));
        let (told, start) = (Rc::clone(&results), Instant::now());
        let done = move |(index, _): (usize, u64), outcome| {
            assert!(told.borrow_mut()[index].replace((outcome, start.elapsed())).is_none(), "{index} told twice");
        };
        let pipes = Pipes::new(Rc::new(Client::new(ClientConfig::default(), Rc::default())), Box::new(done));
        for index in 0..count {
            let url = format!("{url}/dialog/{index}");
            pipes.send(Delivery { id: (index, 0), method: Method::Put, url, body: BODY.into(), timeout: Duration::from_millis(600) });
        }
        while results.borrow().iter().any(Option::is_none) {
            assert!(start.elapsed() < Duration::from_secs(8), "{results:?}");
            rt::sleep(Duration::from_millis(2)).await;
        }
        let results = results.borrow();
        results.iter().flatten().copied().collect()
    })
}

#[test]
fn a_server_that_answers_at_once_has_one_connection() {
    let (url, connections) = server(|_| Some(ANSWER.into()));
    let results = outcomes(&url, 30);
    assert!(results.iter().all(|(outcome, _)| *outcome == Outcome::Answered(204)), "{results:?}");
    assert_eq!(connections.load(Relaxed), 1);
}

#[test]
fn a_server_that_closes_behind_each_answer_gets_all_the_same() {
    let (url, _) = server(|_| Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()));
    let results = outcomes(&url, 8);
    assert_eq!(results.iter().filter(|(outcome, _)| *outcome == Outcome::Answered(200)).count(), 8, "{results:?}");
}

#[test]
fn an_answer_that_never_comes_is_the_fault_of_one() {
    let (url, connections) = server(|path| {
        if path == "/dialog/3" {
            std::thread::sleep(Duration::from_secs(3));
        }
        Some(ANSWER.into())
    });
    let results = outcomes(&url, 10);
    for (index, (outcome, _)) in results.iter().enumerate() {
        assert_eq!(*outcome, if index == 3 { Outcome::Unreachable } else { Outcome::Answered(204) }, "{index} of {results:?}");
    }
    assert!(connections.load(Relaxed) > 1);
}

#[test]
fn a_connection_that_breaks_costs_one_try_of_one() {
    let (url, _) = server(|path| (path != "/dialog/0").then(|| ANSWER.into()));
    let results = outcomes(&url, 5);
    assert_eq!(results[0].0, Outcome::Unreachable);
    assert!(results[1..].iter().all(|(outcome, _)| *outcome == Outcome::Answered(204)), "{results:?}");
}

#[test]
fn nobody_there_is_unreachable_for_all() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let results = outcomes(&format!("http://{closed}"), 3);
    assert!(results.iter().all(|(outcome, _)| *outcome == Outcome::Unreachable), "{results:?}");
}
