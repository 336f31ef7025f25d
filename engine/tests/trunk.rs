//! A trunk between two real instances of project-sip: one is the provider, the other its customer.
//!
//! ```text
//!   customer: PUT /trunk ═REGISTER with digest═▶ provider: GET /reg        customer: POST /dialog/invite ═INVITE with digest═▶ provider
//!   provider: POST /dialog/invite to the account ═INVITE═▶ customer ─▶ control of the trunk
//! ```
//! Shape:  no SIPp and no script: a control server of a few lines takes the events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test says what is wrong by ending")]

mod support;

use std::net::UdpSocket;
use std::sync::mpsc::Receiver;

use perf::process::{Process, http_get};
use serde_json::{Value, json};
use support::hearing::{control, get, hears, send, until};
use support::{PATIENCE, Ports, start_sip};

/// Registers over `transport`, calls both ways, takes the registration back.
fn trunk_over(transport: &str) {
    let (provider, customer) = (Ports::free(), Ports::free());
    let ((provider_url, provider_events), (customer_url, customer_events)) = (control(), control());
    let _provider = start_sip(&provider, &[]);
    let _customer = start_sip(&customer, &[]);
    let users = format!(r#"{{"control":"{provider_url}","users":[{{"username":"acc","secret":"pw"}}]}}"#);
    send(provider.sip_http, "PUT", "/dir/provider.example", &users);
    let trunk = |secret: &str| {
        format!(
            r#"{{"domain":"provider.example","user":"acc","secret":"{secret}","proxy":"127.0.0.1:{};transport={transport}","expires":120,"control":"{customer_url}"}}"#,
            provider.sip
        )
    };
    send(customer.sip_http, "PUT", "/trunk/prov", &trunk("wrong"));
    until("the wrong password is told", || get(customer.sip_http, "/trunk/prov")["status"] == 401);
    assert_eq!(get(customer.sip_http, "/trunk/prov")["up"], false);
    send(customer.sip_http, "PUT", "/trunk/prov", &trunk("pw"));
    until("the trunk is registered", || get(customer.sip_http, "/trunk/prov")["state"] == "registered");
    let registered = get(provider.sip_http, "/reg/provider.example/acc");
    assert_eq!((&registered["registered"], &registered["users"]["acc"]["transport"]), (&Value::from(1), &Value::from(transport)));
    // Out: the provider asks for the password of the account, and gets it.
    let call = send(customer.sip_http, "POST", "/dialog/invite", r#"{"from":"acc@provider.example","to":"+44@provider.example"}"#);
    let snapshot = hears(&provider_events, "new");
    assert_eq!(
        (&snapshot["callid"], &snapshot["authenticated"], &snapshot["to"]),
        (&call["callid"], &Value::from(true), &Value::from("+44"))
    );
    let hangup = format!(r#"{{"callid":"{}","reason":"busy"}}"#, call["callid"].as_str().unwrap());
    send(provider.sip_http, "PUT", "/dialog/hangup", &hangup);
    until("the call is over", || get(customer.sip_http, "/dialog")["count"] == 0);
    // In: known by where it comes from, told to the control of the trunk.
    send(provider.sip_http, "POST", "/dialog/invite", r#"{"from":"+4930@provider.example","to":"acc@provider.example"}"#);
    let snapshot = hears(&customer_events, "new");
    assert_eq!((&snapshot["domain"], &snapshot["from"]), (&Value::from("provider.example"), &Value::from("+4930")));
    let hangup = format!(r#"{{"callid":"{}","code":486}}"#, snapshot["callid"].as_str().unwrap());
    send(customer.sip_http, "PUT", "/dialog/hangup", &hangup);
    until("that call is over too", || get(provider.sip_http, "/dialog")["count"] == 0);
    send(customer.sip_http, "DELETE", "/trunk/prov", "");
    until("the registration is taken back", || get(provider.sip_http, "/reg")["count"] == 0);
    assert!(http_get(customer.sip_http, "/trunk/prov").unwrap().starts_with("HTTP/1.1 404"));
}

#[test]
fn a_trunk_over_udp_registers_and_carries_calls_both_ways() {
    trunk_over("udp");
}

#[test]
fn a_trunk_over_tcp_registers_and_carries_calls_both_ways() {
    trunk_over("tcp");
}

/// A provider with these accounts, and what its control hears.
fn provider(accounts: &[&str]) -> (Ports, Process, Receiver<Value>) {
    let ports = Ports::free();
    let (url, events) = control();
    let process = start_sip(&ports, &[]);
    let users: Vec<Value> = accounts.iter().map(|user| json!({"username": user, "secret": "pw"})).collect();
    send(ports.sip_http, "PUT", "/dir/provider.example", &json!({"control": url, "users": users}).to_string());
    (ports, process, events)
}

/// Registers a trunk of the customer at a provider.
fn join(customer: &Ports, name: &str, user: &str, provider: &Ports, more: &Value) {
    let proxy = format!("127.0.0.1:{}", provider.sip);
    let mut trunk = json!({"domain": "provider.example", "user": user, "secret": "pw", "proxy": proxy, "expires": 120});
    trunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    send(customer.sip_http, "PUT", &format!("/trunk/{name}"), &trunk.to_string());
    until("the trunk is registered", || get(customer.sip_http, &format!("/trunk/{name}"))["state"] == "registered");
}

#[test]
fn a_call_goes_through_the_first_trunk_and_to_the_second_when_that_refuses() {
    let ((first, _a, at_first), (second, _b, at_second)) = (provider(&["acc"]), provider(&["acc"]));
    let customer = Ports::free();
    let (url, events) = control();
    let _customer = start_sip(&customer, &[]);
    // The better one comes last: it is the priority that counts.
    join(&customer, "second", "acc", &second, &json!({"priority": 2}));
    join(&customer, "first", "acc", &first, &json!({"priority": 1}));
    let call = || {
        let wish = json!({"from": "acc@provider.example", "to": "+44@provider.example", "control": url});
        send(customer.sip_http, "POST", "/dialog/invite", &wish.to_string())["callid"].clone()
    };
    let hang_up = |provider: &Ports, callid: &Value| {
        send(provider.sip_http, "PUT", "/dialog/hangup", &json!({"callid": callid, "reason": "busy"}).to_string());
        assert_eq!(&hears(&events, "hangup")["callid"], callid);
    };
    let callid = call();
    assert_eq!(hears(&at_first, "new")["callid"], callid);
    // What the called one says is no failure of the trunk.
    hang_up(&first, &callid);
    assert!(at_second.try_recv().is_err(), "busy is busy everywhere");
    send(first.sip_http, "POST", "/drain", "");
    let callid = call();
    assert_eq!(hears(&at_second, "new")["callid"], callid);
    hang_up(&second, &callid);
}

#[test]
fn each_of_two_accounts_at_one_provider_has_its_own_calls() {
    let (there, _provider, _) = provider(&["acc1", "acc2"]);
    let customer = Ports::free();
    let _customer = start_sip(&customer, &[]);
    let controls = [control(), control()];
    for (account, (url, _)) in ["acc1", "acc2"].into_iter().zip(&controls) {
        join(&customer, account, account, &there, &json!({"control": url}));
    }
    for (account, (_, events)) in ["acc2", "acc1", "acc2", "acc1"].into_iter().zip([&controls[1], &controls[0], &controls[1], &controls[0]])
    {
        let wish = json!({"from": "+4930@provider.example", "to": format!("{account}@provider.example")});
        let callid = send(there.sip_http, "POST", "/dialog/invite", &wish.to_string())["callid"].clone();
        let snapshot = hears(events, "new");
        assert_eq!((&snapshot["callid"], &snapshot["to"]), (&callid, &Value::from(account)));
        send(customer.sip_http, "PUT", "/dialog/hangup", &json!({"callid": callid, "code": 486}).to_string());
    }
}

#[test]
fn a_trunk_without_registration_is_up_when_it_answers_and_down_when_it_does_not() {
    let gateway = UdpSocket::bind("127.0.0.1:0").unwrap();
    gateway.set_read_timeout(Some(PATIENCE)).unwrap();
    let customer = Ports::free();
    let _customer = start_sip(&customer, &[]);
    let trunk =
        json!({"domain": "gateway.example", "user": "gw", "secret": "x", "proxy": gateway.local_addr().unwrap().to_string(), "expires": 0});
    send(customer.sip_http, "PUT", "/trunk/static", &trunk.to_string());
    let view = || get(customer.sip_http, "/trunk/static");
    // One refusal as of a gateway that is overloaded, then it is well again: looked at anew after 5 s.
    for (status, up, state) in [("503 Service Unavailable", false, "waiting"), ("200 OK", true, "reachable")] {
        let mut bytes = [0; 4096];
        let (len, from) = gateway.recv_from(&mut bytes).unwrap();
        let options = std::str::from_utf8(&bytes[..len]).unwrap();
        assert!(options.starts_with("OPTIONS sip:gateway.example SIP/2.0\r\n"), "{options}");
        let names = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let copied = options.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
        let answer = copied.fold(format!("SIP/2.0 {status}\r\n"), |text, line| text + line + "\r\n") + "Content-Length: 0\r\n\r\n";
        gateway.send_to(answer.as_bytes(), from).unwrap();
        until("the trunk shows it", || view()["up"] == up && view()["state"] == state);
    }
}
