//! Scripts that break: errors nobody catches, turns that do not end, memory that does not suffice. The engine goes on.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::{Outcome, logged, options, outcome, text, tight};
use control_embed::{ControlEngine, Limits, Options, Status};
use std::fmt::Write as _;
use std::time::Duration;

/// Runs a script with tight limits until it posts `"alive"`; its log and status.
fn survives(source: &str) -> (String, Status) {
    survives_with(source, tight())
}

fn survives_with(source: &str, limits: Limits) -> (String, Status) {
    let source = &format!(
        "{source}
        setTimeout(() => require('projectcontrol').host.request({{ host: '127.0.0.1', port: Number(process.env.RESULT_PORT),
            method: 'POST', path: '/', headers: {{}}, body: 'alive', timeoutms: 20000 }}), 100);"
    );
    survives_until_told(source, limits)
}

/// The same, of a script that posts by itself.
fn survives_until_told(source: &str, limits: Limits) -> (String, Status) {
    logged(async move {
        let (port, result) = outcome().await;
        let engine =
            ControlEngine::start(Options { limits, ..options(text(source), &[("RESULT_PORT", &port.to_string())]) }).await.unwrap();
        let Outcome(body) = result.await.unwrap();
        assert_eq!(body, "alive");
        let status = engine.status();
        engine.stop().await;
        status
    })
}

#[test]
fn an_error_in_a_timer_is_logged_with_its_line_and_the_next_timer_runs() {
    let (log, _) = survives("setTimeout(() => {\n  throw new RangeError('in a timer');\n}, 1);");
    assert!(log.contains("ERROR script: timer: RangeError: in a timer") && log.contains("test.js:2:"), "{log}");
}

#[test]
fn a_rejection_that_nobody_handles_is_logged_with_its_line_and_a_handled_one_is_not() {
    let (log, _) = survives(
        "async function fails(word) {\n  throw new Error(word);\n}\nfails('unheard');\nfails('heard').catch(() => {});\nconst late = fails('late');\nlate.catch(() => {});",
    );
    assert!(log.contains("unhandled rejection: Error: unheard") && log.contains("test.js:2:"), "{log}");
    assert!(!log.contains("Error: heard") && !log.contains("Error: late"), "{log}");
}

#[test]
fn a_turn_that_does_not_end_is_stopped_and_its_function_is_told() {
    let (log, status) = survives("setTimeout(function spins() {\n  for (;;) ;\n}, 1);");
    assert!(log.contains("ran for more than 50 ms in one turn and was stopped\n    at spins (") && log.contains("test.js:1:"), "{log}");
    assert_eq!(status.stopped, 1);
}

#[test]
fn an_async_function_that_does_not_end_is_stopped_too() {
    let (log, status) = survives("setTimeout(async function spins() {\n  await null;\n  while (true) Math.random();\n}, 1);");
    assert!(log.contains("ran for more than 50 ms in one turn and was stopped\n    at spins (") && log.contains("test.js:"), "{log}");
    assert_eq!(status.stopped, 1);
}

#[test]
fn promise_jobs_without_end_leave_room_for_others() {
    let (log, _) = survives(
        "let on = true;\nasync function forever() {\n  while (on) await null;\n}\nforever();\nsetTimeout(() => (on = false), 90);",
    );
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_script_that_fills_its_memory_is_told_and_goes_on_without_what_it_held() {
    let hoards = "setTimeout(() => {\n  const hoard = [];\n  for (;;) hoard.push('x'.repeat(1000) + hoard.length);\n}, 1);";
    let (log, status) = survives_with(hoards, Limits { turn: Duration::from_secs(5), ..tight() });
    assert!(log.contains("timer: InternalError: out of memory") && log.contains("(the limit of a script is 16 MiB)"), "{log}");
    assert!(log.contains("test.js:"), "{log}");
    assert!(status.memory_bytes < 8 << 20, "{status:?}");
}

#[test]
fn recursion_without_end_is_an_error_like_any_other() {
    let (log, _) = survives("function down() {\n  return down() + 1;\n}\nsetTimeout(down, 1);");
    assert!(log.contains("RangeError") && log.contains("call stack"), "{log}");
}

#[test]
fn a_callback_that_does_not_end_costs_its_call_and_no_other() {
    let mut script = String::from("const projectcontrol = require('projectcontrol');\n");
    let _ = write!(
        script,
        r#"
const {{ host }} = projectcontrol;
const asked = [];
async function main() {{
  const sip = await host.listen({{ host: "127.0.0.1", port: 0 }}, ({{ path, body }}) => {{
    asked.push(path + " " + body);
    return {{ status: 200 }};
  }});
  projectcontrol.sip.port = sip.port;
  projectcontrol.onnewcall = (call) => {{
    if (call.destination === "loop") for (;;) ;
    call.ring();
  }};
  await projectcontrol.run();
  for (const to of ["loop", "fine"]) {{
    const body = JSON.stringify({{ callid: to, seq: 1, to, from: "1000", domain: "d" }});
    await host.request({{ host: "127.0.0.1", port: projectcontrol.us.port, method: "PUT", path: "/dialog/" + to, headers: {{}}, body, timeoutms: 20000 }});
  }}
  const told = setInterval(() => {{
    if (asked.length < 2) return;
    clearInterval(told);
    console.log("asked: " + asked.join("; "));
    host.request({{ host: "127.0.0.1", port: Number(process.env.RESULT_PORT), method: "POST", path: "/", headers: {{}}, body: "alive", timeoutms: 20000 }});
  }}, 5);
}}
main();"#
    );
    let (log, status) = survives_until_told(&script, tight());
    assert!(log.contains(r#"/dialog/hangup {"callid":"loop","code":500}"#), "{log}");
    assert!(log.contains(r#"/dialog/ring {"callid":"fine"}"#), "{log}");
    assert!(log.contains("call loop: stopped: "), "{log}");
    assert_eq!(status.stopped, 1);
}
