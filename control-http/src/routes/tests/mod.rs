//! Every route against a backend that says what it was asked.

use std::cell::RefCell;
use std::collections::VecDeque;

use futures_lite::future::block_on;
use serde_json::json as value;
use sip::api::{Command, CommandError, ControlUrl, Reply, Secret, UserEntry};

use super::*;

mod channel;
mod common;
mod dialog;
mod dir;
mod openapi;

/// Notes what it is asked, answers what the test laid down, `Done` when there is nothing.
#[derive(Default)]
struct Core {
    asked: RefCell<Vec<Command>>,
    answers: RefCell<VecDeque<Result<Reply, CommandError>>>,
}

impl SipBackend for Core {
    async fn call(&self, command: Command) -> Result<Reply, CommandError> {
        self.asked.borrow_mut().push(command);
        self.answers.borrow_mut().pop_front().unwrap_or(Ok(Reply::Done))
    }
}

struct Steady(Result<(), String>);

impl Program for Steady {
    fn status(&self) -> Map<String, Value> {
        let Value::Object(map) = value!({
            "version": "1.2.3",
            "program": "a\"b",
            "uptime_s": 5,
            "accepting": true,
            "layout": {"cores": [{"core": 0, "channels": 5, "tick": {"meanus": 1.5, "lateness": {"leus": [20, 1000], "counts": [7, 2, 1], "sumus": 3500}}}, {"core": 2, "channels": 0}], "note": "x"},
        }) else {
            unreachable!()
        };
        map
    }

    fn health(&self) -> Result<(), String> {
        self.0.clone()
    }

    fn ready(&self) -> Result<(), String> {
        self.0.clone()
    }

    fn drain(&self) {}
}

fn api() -> SipApi<Core, Steady> {
    SipApi { backend: Core::default(), program: Steady(Ok(())), server: Rc::default() }
}

fn ask<H: Handler>(api: &H, method: Method, target: &str, body: &str) -> (u16, Value, Response) {
    let response = block_on(api.handle(Request::new(method, target, body).unwrap()));
    let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    openapi::assert_described(method, target, response.status, &body);
    (response.status, body, response)
}

/// The command that a request becomes.
fn command(method: Method, target: &str, body: &str) -> Command {
    let api = api();
    let (status, answer, _) = ask(&api, method, target, body);
    let asked = api.backend.asked.take();
    assert_eq!(asked.len(), 1, "{target} {body}: {status} {answer}");
    asked.into_iter().next().unwrap()
}

/// Status and body of a request that the core answers so.
fn answered(method: Method, target: &str, body: &str, answer: Result<Reply, CommandError>) -> (u16, Value) {
    let api = api();
    api.backend.answers.borrow_mut().push_back(answer);
    let (status, body, _) = ask(&api, method, target, body);
    (status, body)
}

/// Detail of a request that must be refused without asking the core.
fn bad(method: Method, target: &str, body: &str) -> String {
    let api = api();
    let (status, answer, _) = ask(&api, method, target, body);
    assert_eq!(status, 400, "{target} {body}: {answer}");
    assert!(api.backend.asked.borrow().is_empty());
    assert!(["bad_field", "bad_json"].contains(&answer["error"].as_str().unwrap()));
    answer["detail"].as_str().unwrap().to_owned()
}

fn control() -> ControlUrl {
    ControlUrl("http://127.0.0.1:9001".into())
}

fn user(username: &str, secret: &str) -> UserEntry {
    UserEntry { username: username.into(), secret: Secret::Clear(secret.into()) }
}
