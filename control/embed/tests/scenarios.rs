//! The scenarios of the call library, the same list that Node runs, inside QuickJS over real sockets of this executor.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::time::Duration;

use common::{Outcome, options, outcome};
use control_embed::{ControlEngine, Limits, Options, Script};

#[test]
fn every_scenario_of_the_library_holds_in_the_embedded_engine() {
    if std::env::var_os("LOG").is_some() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
    }
    let results = common::within(Duration::from_secs(240), async {
        let (port, result) = outcome().await;
        let only = std::env::var("ONLY").unwrap_or_default();
        let script = Script::File(concat!(env!("CARGO_MANIFEST_DIR"), "/../test/embedded.js").into());
        // A machine that stalls in a turn must not end the scenarios: time limits are for `limits.rs`.
        let limits = Limits { turn: Duration::from_secs(60), start: Duration::from_secs(60), ..Limits::default() };
        let environment = [("RESULT_PORT", port.to_string()), ("ONLY", only)];
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let engine = ControlEngine::start(Options { limits, ..options(script, &environment) }).await.unwrap();
        let Outcome(body) = result.await.unwrap();
        println!("{:?}", engine.status());
        engine.stop().await;
        serde_json::from_str::<Vec<serde_json::Value>>(&body).unwrap()
    });
    let failed: Vec<String> = results
        .iter()
        .filter(|one| one.get("error").is_some())
        .map(|one| format!("{}\n  {}", one["claim"], one["error"].as_str().unwrap()))
        .collect();
    assert!(!results.is_empty());
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), results.len(), failed.join("\n"));
}
