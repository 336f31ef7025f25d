//! What a script finds in the embedded engine, and what it is told when it fails to start.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::{Outcome, engine, logged, options, outcome, text, within};
use control_embed::{ControlEngine, Peer, Script, StartError};
use control_http::server::{Handler, ServerConfig, ServerStats, serve};
use control_http::wire::{Request, Response};
use rt::{Latch, TcpListener};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// What a script posts, as JSON.
fn posted(script: Script, environment: &[(&str, &str)]) -> serde_json::Value {
    within(LIMIT, async {
        let (port, result) = outcome().await;
        let port = port.to_string();
        let environment: Vec<_> = environment.iter().copied().chain([("RESULT_PORT", port.as_str())]).collect();
        let engine = engine(script, &environment).await.unwrap();
        let Outcome(body) = result.await.unwrap();
        engine.stop().await;
        serde_json::from_str(&body).unwrap()
    })
}

const POST: &str = r#"
const post = (value) => require("projectcontrol").host.request({ host: "127.0.0.1", port: Number(process.env.RESULT_PORT), method: "POST", path: "/", headers: {}, body: JSON.stringify(value), timeoutms: 1000 });
"#;

/// Answers with the memory of the engine that asks, 0 while it starts; the first that is known ends it.
#[derive(Default)]
struct Memory {
    engine: RefCell<Option<ControlEngine>>,
    known: Latch,
}

impl Handler for Memory {
    async fn handle(&self, request: Request) -> Response {
        let bytes = |within: &str| {
            let bytes = self.engine.borrow().as_ref().map_or(0, |engine| engine.status().memory_bytes);
            format!("{within} {bytes}\n")
        };
        let mut told = bytes("asked");
        rt::sleep(Duration::from_millis(2)).await;
        told += &bytes("later");
        if request.path.segments().any(|part| part == "known") {
            self.known.open();
        }
        Response::with_body(200, "text/plain", told)
    }
}

#[test]
fn a_server_of_the_same_executor_may_ask_for_the_status_in_the_middle_of_a_turn() {
    within(LIMIT, async {
        let memory = Rc::new(Memory::default());
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().port();
        drop(rt::spawn_local(serve(listener, Rc::clone(&memory), ServerConfig::default(), Rc::new(ServerStats::default()), Latch::new())));
        let source = format!(
            "const ask = async () => {{
               const told = await (await fetch('http://127.0.0.1:{port}/memory')).text();
               // In the turn it is what was told after the one before.
               if (/asked [1-9]\\d+\\nlater [1-9]\\d+/.test(told)) return fetch('http://127.0.0.1:{port}/known');
               setTimeout(ask, 5);
             }};
             ask();"
        );
        let started = engine(text(&source), &[]).await.unwrap();
        memory.engine.replace(Some(started));
        memory.known.wait().await;
        let engine = memory.engine.take().unwrap();
        engine.stop().await;
    });
}

fn failure(script: Script) -> String {
    within(LIMIT, async { engine(script, &[]).await.err().expect("it starts").to_string() })
}

#[test]
fn modules_are_found_relative_to_the_script_once_and_with_their_names() {
    let found = posted(Script::File(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/modules.js").into()), &[]);
    let wanted = serde_json::json!({
        "part": "part", "same": true, "data": 42, "dirname": true, "filename": true, "library": "function", "implicit": "sloppy, as on Node",
    });
    assert_eq!(found, wanted);
}

#[test]
fn timers_run_in_order_and_cancelled_ones_do_not() {
    let source = format!(
        "{POST}
        const ran = [];
        setImmediate(() => {{
          ran.push('immediate');
          // Further apart than a busy machine stalls.
          setTimeout(() => ran.push('late'), 600);
          setTimeout((word) => ran.push(word), 1, 'early');
          clearTimeout(setTimeout(() => ran.push('never'), 2));
        }});
        clearImmediate(setImmediate(() => ran.push('never')));
        process.nextTick(() => ran.push('tick'));
        queueMicrotask(() => ran.push('microtask'));
        let count = 0;
        const every = setInterval(() => (count += 1) === 3 && clearInterval(every), 2);
        const whole = setInterval(() => {{
          if (count < 3 || !ran.includes('late')) return;
          clearInterval(whole);
          post({{ ran, count }});
        }}, 10);
        ran.push('now');"
    );
    let found = posted(text(&source), &[]);
    assert_eq!(found, serde_json::json!({ "ran": ["now", "tick", "microtask", "immediate", "early", "late"], "count": 3 }));
}

#[test]
fn the_environment_can_be_read_and_not_changed() {
    let source = format!(
        "{POST} process.env.COLOUR = 'red'; post([process.env.COLOUR, process.env.NOTHING === undefined, typeof process.uptime()]);"
    );
    assert_eq!(posted(text(&source), &[("COLOUR", "blue")]), serde_json::json!(["blue", true, "number"]));
}

#[test]
fn fetch_asks_and_tells_what_it_cannot() {
    let source = format!(
        "{POST}
        const projectcontrol = require('projectcontrol');
        const queues = require('projectqueue');
        projectcontrol.run().then(async () => {{
          const answer = await fetch(`http://127.0.0.1:${{projectcontrol.us.port}}/health?x=1`);
          const secure = await fetch('https://example.org/').catch((error) => error.message);
          const gone = await fetch('http://127.0.0.1:1/', {{ timeout: 500 }}).catch(() => 'refused');
          const addresses = await projectcontrol.host.resolve('127.0.0.1');
          post([answer.ok, (await answer.json()).status, secure.includes('https'), gone, addresses, queues.find('q').name]);
        }});"
    );
    assert_eq!(posted(text(&source), &[]), serde_json::json!([true, "ok", true, "refused", ["127.0.0.1"], "q"]));
}

#[test]
fn console_writes_to_the_log_with_values_as_people_read_them() {
    let (log, ()) = logged(async {
        let source = r#"
            const circle = { name: "c", list: [1, "two"], get danger() { throw new Error("called"); } };
            circle.self = circle;
            console.log("plain", 5, circle, new Map([["k", null]]), () => 1);
            console.error(new TypeError("wrong"));"#;
        engine(text(source), &[]).await.unwrap().stop().await;
    });
    assert!(log.contains(r#"INFO script: plain 5 { name: "c", list: [ 1, "two" ], danger: [getter], self: [circular] } Map { "k" => null } [function anonymous]"#), "{log}");
    assert!(log.contains("ERROR script: TypeError: wrong\n    at <anonymous> (") && log.contains("test.js:5:"), "{log}");
}

#[test]
fn a_syntax_error_fails_the_start_with_file_and_line() {
    let message = failure(text("const fine = 1;\nconst = broken;\n"));
    assert!(message.contains("SyntaxError") && message.contains("test.js:2:"), "{message}");
}

#[test]
fn an_error_at_the_top_of_a_script_fails_the_start_with_its_lines() {
    let message = failure(text("function deep() {\n  undefinedfunction();\n}\ndeep();"));
    assert!(message.contains("ReferenceError") && message.contains("test.js:2:") && message.contains("test.js:4:"), "{message}");
}

#[test]
fn a_missing_script_or_module_is_named() {
    let message = failure(Script::File("/nonexistent/script.js".into()));
    assert!(message.contains("/nonexistent/script.js"), "{message}");
    let message = failure(text("require('fs')"));
    assert!(message.contains("cannot find module 'fs'") && message.contains("run the script with node"), "{message}");
    let message = failure(text("\nrequire('./nothing')"));
    assert!(message.contains("./nothing") && message.contains("test.js:2:"), "{message}");
}

#[test]
fn a_port_that_is_taken_fails_the_start() {
    within(LIMIT, async {
        let taken = rt::TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let mut options = options(text("require('projectcontrol').run();"), &[]);
        options.us = Peer::local(taken.local_addr().port());
        let error = ControlEngine::start(options).await.err().expect("it starts");
        assert!(matches!(&error, StartError::Listen(message) if message.contains(&taken.local_addr().to_string())), "{error}");
    });
}

#[test]
fn more_requests_of_one_turn_than_may_be_under_way_are_all_answered() {
    let source = "
        const { host } = require('projectcontrol');
        const ask = (port, body) => host.request({ host: '127.0.0.1', port: Number(port), method: 'POST', path: '/', headers: {}, body, timeoutms: 20000 });
        const answered = new Set();
        const all = Array.from({ length: 500 }, (_, n) => ask(process.env.FLOOD_PORT, String(n)).then(() => answered.add(n)));
        Promise.all(all).then(() => ask(process.env.RESULT_PORT, String(answered.size)));";
    within(LIMIT, async {
        let ((flood, _first), (port, result)) = (outcome().await, outcome().await);
        let environment = [("FLOOD_PORT", flood.to_string()), ("RESULT_PORT", port.to_string())];
        let engine = engine(text(source), &environment.each_ref().map(|(name, value)| (*name, value.as_str()))).await.unwrap();
        let Outcome(body) = result.await.unwrap();
        assert_eq!(body, "500");
        engine.stop().await;
    });
}

#[test]
fn a_stopped_engine_frees_its_port() {
    within(LIMIT, async {
        let probe = rt::TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = probe.local_addr().port();
        drop(probe);
        for _ in 0..3 {
            let mut options = options(text("require('projectcontrol').run();"), &[]);
            options.us = Peer::local(port);
            ControlEngine::start(options).await.unwrap().stop().await;
        }
    });
}

#[test]
fn the_documentations_script_starts_unchanged() {
    let source = r#"
const projectcontrol = require( "projectcontrol" )

projectcontrol.codecs = [ "722", "pcma", "pcmu", "ilbc", "2833" ]

projectcontrol.onnewcall = ( call ) =>
{
  console.log( "new call" )

  call.onhangup = () =>
  {
    console.log( "hung up" )
  }

  call.ring();

  if( "3" == call.destination )
  {
    call.newcall( { to: { user: "1003" } } )
  }
}

projectcontrol.directory( "bling.babblevoice.com", [ { "username": "1003", "secret": "1123654789" } ] )

projectcontrol.run()
"#;
    within(LIMIT, async { engine(text(source), &[]).await.unwrap().stop().await });
    within(LIMIT, async { engine(Script::Extensions, &[("MEDIASWITCH_USERS", "1000:a,1001:b")]).await.unwrap().stop().await });
}
