//! What all routes share: refusals, methods, status and metrics.

use super::*;

#[test]
fn what_the_core_refuses_has_its_status() {
    for (error, status, code) in [
        (CommandError::NotFound("c".into()), 404, "not_found"),
        (CommandError::WrongState("already answered"), 409, "wrong_state"),
        (CommandError::Impossible("x".into()), 422, "impossible"),
        (CommandError::Bad("x".into()), 400, "bad_field"),
        (CommandError::Unroutable(603), 480, "unroutable"),
        (CommandError::Full { what: "calls", max: 5 }, 503, "full"),
    ] {
        let api = api();
        api.backend.answers.borrow_mut().push_back(Err(error));
        let (have, body, response) = ask(&api, Method::Put, "/dialog/c/ring", "");
        assert_eq!((have, body["error"].as_str()), (status, Some(code)));
        assert_eq!(response.headers.iter().any(|(name, _)| *name == "Retry-After"), status == 503);
    }
}

#[test]
fn wrong_methods_name_the_right_ones_and_wrong_paths_are_404() {
    for (method, target, allow) in [
        (Method::Post, "/dir", "GET"),
        (Method::Post, "/dir/a", "GET, PUT, PATCH, DELETE"),
        (Method::Other, "/dir/a/1", "GET, PUT, PATCH, DELETE"),
        (Method::Put, "/reg", "GET"),
        (Method::Delete, "/reg/a/1", "GET"),
        (Method::Put, "/invite", "POST"),
        (Method::Patch, "/dialog", "GET"),
        (Method::Patch, "/dialog/c", "GET, PUT, POST, DELETE"),
        (Method::Delete, "/dialog/c/ring", "PUT, POST"),
        (Method::Post, "/status", "GET"),
        (Method::Get, "/drain", "POST"),
        (Method::Options, "/health", "GET"),
    ] {
        let (status, body, response) = ask(&api(), method, target, "");
        assert_eq!((status, body["error"].as_str()), (405, Some("method_not_allowed")), "{target}");
        assert!(response.headers.contains(&("Allow", allow.to_owned())), "{target}: {:?}", response.headers);
    }
    for target in ["/", "/x", "/dir/a/b/c", "/reg/a/b/c", "/dialog/a/ring/c", "/status/x", "/invite/x", "//dir"] {
        let (status, body, _) = ask(&api(), Method::Get, target, "");
        assert_eq!((status, body["error"].as_str().unwrap()), (404, "no_route"), "{target}");
    }
}

#[test]
fn head_is_routed_as_get() {
    assert_eq!(command(Method::Head, "/dir", ""), Command::DirGet { domain: None, user: None });
}

#[test]
fn status_and_metrics_show_the_same_numbers() {
    let api = api();
    let numbers = || Ok(Reply::Status(vec![("dialogs", 3), ("callstotal", 9)]));
    *api.backend.answers.borrow_mut() = [numbers(), numbers(), Err(CommandError::Full { what: "queue", max: 1 })].into();
    api.server.requests_total.set(7);
    let (_, status, _) = ask(&api, Method::Get, "/status", "");
    assert_eq!(status["sip"], value!({"dialogs":3,"callstotal":9}));
    assert_eq!((&status["version"], &status["http"]["requests_total"]), (&value!("1.2.3"), &value!(7)));
    let (_, _, response) = ask(&api, Method::Get, "/metrics", "");
    let text = String::from_utf8(response.body).unwrap();
    for line in [
        "mediaswitch_info{version=\"1.2.3\",program=\"a\\\"b\"} 1",
        "mediaswitch_uptime_s 5",
        "mediaswitch_accepting 1",
        "mediaswitch_layout_cores_channels{core=\"0\"} 5",
        "mediaswitch_layout_cores_channels{core=\"2\"} 0",
        "mediaswitch_layout_cores_tick_meanus{core=\"0\"} 1.5",
        "# TYPE mediaswitch_layout_cores_tick_lateness_seconds histogram",
        "mediaswitch_layout_cores_tick_lateness_seconds_bucket{core=\"0\",le=\"0.00002\"} 7",
        "mediaswitch_layout_cores_tick_lateness_seconds_bucket{core=\"0\",le=\"0.001\"} 9",
        "mediaswitch_layout_cores_tick_lateness_seconds_bucket{core=\"0\",le=\"+Inf\"} 10",
        "mediaswitch_layout_cores_tick_lateness_seconds_sum{core=\"0\"} 0.0035",
        "mediaswitch_layout_cores_tick_lateness_seconds_count{core=\"0\"} 10",
        "mediaswitch_sip_dialogs 3",
        "# TYPE mediaswitch_sip_dialogs untyped",
        "# HELP mediaswitch_sip_callstotal Call legs ever made or received.",
        "# TYPE mediaswitch_sip_callstotal counter",
        "mediaswitch_http_requests_total 7",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} in:\n{text}");
    }
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut unique = families.clone();
    unique.dedup();
    assert_eq!(families, unique, "a family stands in one place");
    assert_eq!(ask(&api, Method::Get, "/status", "").0, 200, "a busy core does not hide the rest");
}

#[test]
fn health_ready_and_drain_answer() {
    let api = api();
    for target in ["/health", "/ready"] {
        assert_eq!(ask(&api, Method::Get, target, "").0, 200);
    }
    assert_eq!(ask(&api, Method::Post, "/drain", "").0, 200);
    let broken = SipApi { backend: Core::default(), program: Steady(Err("draining".into())), server: Rc::default() };
    let (status, body, response) = ask(&broken, Method::Get, "/ready", "");
    assert_eq!((status, body), (503, value!({"error":"not_ready","detail":"draining"})));
    assert!(response.headers.iter().any(|(name, _)| *name == "Retry-After"));
    assert_eq!(ask(&broken, Method::Get, "/health", "").0, 503);
}
