//! A script that changes while it runs: read again without losing calls, or not at all if it is broken.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::{logged, options};
use control_embed::{ControlEngine, Limits, Options, Script};
use control_http::client::{Client, ClientConfig, Outgoing, Url};
use control_http::resolve::Resolver;
use control_http::wire::Method;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A script file of this test alone, with the port it listens on printed.
fn script(name: &str, body: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("control-embed-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("call.js");
    write(&path, body);
    path
}

fn write(path: &Path, body: &str) {
    let text = format!(
        "const projectcontrol = require('projectcontrol');\n{body}\nprojectcontrol.run().then(() => console.log(`port ${{projectcontrol.us.port}}.`));"
    );
    std::fs::write(path, text).unwrap();
}

async fn put(port: u16, path: &str, body: &str) -> String {
    let client = Client::new(ClientConfig::default(), Rc::new(Resolver::default()));
    let url = Url::parse(&format!("http://127.0.0.1:{port}{path}")).unwrap();
    let method = if body.is_empty() { Method::Get } else { Method::Put };
    let outgoing = Outgoing { method, url: &url, headers: &[], body: body.as_bytes(), timeout: None };
    String::from_utf8(client.request(&outgoing).await.unwrap().body.to_vec()).unwrap()
}

fn new_call(callid: &str) -> String {
    format!(r#"{{"callid":"{callid}","seq":1,"event":"new","domain":"d","from":"1","to":"2","originator":false}}"#)
}

/// Free port: bound once and let go.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const CALLBACK: &str = "projectcontrol.onnewcall = (call) => console.log('WORD ' + call.id);";

fn said(word: &str) -> String {
    CALLBACK.replace("WORD", word)
}

async fn engine(path: &Path, port: u16, watch: bool) -> ControlEngine {
    let limits = Limits { start: Duration::from_millis(500), ..Limits::default() };
    let base = options(Script::File(path.to_path_buf()), &[]);
    ControlEngine::start(Options { us: control_embed::Peer::local(port), watch, limits, ..base }).await.unwrap()
}

#[test]
fn a_script_read_again_has_its_new_callbacks_and_its_old_calls() {
    let path = script("again", &format!("setInterval(() => console.log('old tick'), 100000);{}", said("old")));
    let (log, ()) = logged(async {
        let port = port();
        let engine = engine(&path, port, false).await;
        put(port, "/dialog/a", &new_call("a")).await;
        write(&path, &said("new"));
        engine.reloader().reload();
        rt::sleep(Duration::from_millis(20)).await;
        put(port, "/dialog/b", &new_call("b")).await;
        assert_eq!(put(port, "/calls", "").await, r#"["a","b"]"#);
        engine.stop().await;
    });
    assert!(log.contains("old a") && log.contains("new b") && !log.contains("old b"), "{log}");
}

#[test]
fn a_changed_script_that_fails_leaves_the_one_before() {
    let path = script("broken", &said("old"));
    let (log, ()) = logged(async {
        let port = port();
        let engine = engine(&path, port, false).await;
        for broken in ["projectcontrol.onnewcall = 5;", "const = 1;", "projectcontrol.onnewcall = () => {}; for (;;) ;"] {
            write(&path, broken);
            engine.reloader().reload();
            rt::sleep(Duration::from_millis(50)).await;
        }
        put(port, "/dialog/a", &new_call("a")).await;
        engine.stop().await;
    });
    assert!(log.contains("old a"), "{log}");
    assert!(log.contains("the one before goes on: TypeError: onnewcall must be a function"), "{log}");
    assert!(log.contains("the one before goes on: SyntaxError") && log.contains("ran for more than 500 ms"), "{log}");
}

#[test]
fn a_watched_script_is_read_again_when_its_file_changes() {
    let path = script("watched", &said("old"));
    let (log, ()) = logged(async {
        let port = port();
        let engine = engine(&path, port, true).await;
        write(&path, &said("changed"));
        let end = Instant::now() + Duration::from_secs(8);
        while Instant::now() < end && engine.status().reloads == 0 {
            rt::sleep(Duration::from_millis(50)).await;
        }
        put(port, "/dialog/a", &new_call("a")).await;
        engine.stop().await;
    });
    assert!(log.contains("changed a"), "{log}");
}
