//! Registrations: `GET /reg/{domain}` and the event to control.
//!
//! ```text
//!   RegistrationsView ──► {"domain","count","registered","users":{"1003":{…}}}
//!   Event::Registration ──► {"host","port","agent","user","domain","transport","expires"}
//! ```
//! Shape:  `users` is an object keyed by user name. `remote`, `outstandingping` and `epochs` are those of the newest
//!         binding, as before there were several; `contacts` has all.
//! Units:  seconds.
//! Errors: none.
//! Source: `docs/openapi.yaml`, `/reg`.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use sip::api::{BindingView, RegisteredUser, RegistrationsView};

/// Answer to `GET /reg/{domain}[/{user}]`.
pub fn registrations(view: &RegistrationsView) -> Value {
    let users: Map<String, Value> = view.users.iter().map(|user| (user.username.clone(), registered_user(user))).collect();
    json!({"domain": view.domain, "count": view.count, "registered": view.registered, "users": users})
}

/// Body of `PUT` and `DELETE {control}/reg/{domain}/{user}`.
pub fn registration(remote: SocketAddr, agent: Option<&str>, user: &str, domain: &str, transport: &str, expires: u32) -> Value {
    let mut out = Map::new();
    out.insert("host".into(), remote.ip().to_canonical().to_string().into());
    out.insert("port".into(), remote.port().into());
    if let Some(agent) = agent {
        out.insert("agent".into(), agent.into());
    }
    out.insert("user".into(), user.into());
    out.insert("domain".into(), domain.into());
    out.insert("transport".into(), transport.into());
    out.insert("expires".into(), expires.into());
    Value::Object(out)
}

fn registered_user(user: &RegisteredUser) -> Value {
    let Some(newest) = user.contacts.first() else { return json!({"registered": false}) };
    json!({
        "registered": true,
        "outstandingping": newest.outstandingping,
        "remote": remote(newest),
        "epochs": {"registered": newest.registered},
        "expires": newest.expires,
        "expiresin": newest.expiresin,
        "transport": newest.transport,
        "contacts": user.contacts.iter().map(binding).collect::<Vec<_>>(),
    })
}

fn binding(binding: &BindingView) -> Value {
    let mut out = json!({
        "contact": binding.contact,
        "q": f64::from(binding.q) / 1000.0,
        "remote": remote(binding),
        "transport": binding.transport,
        "expires": binding.expires,
        "expiresin": binding.expiresin,
        "outstandingping": binding.outstandingping,
        "epochs": {"registered": binding.registered},
    });
    if let (Some(path), Some(map)) = (&binding.path, out.as_object_mut()) {
        map.insert("path".into(), path.as_str().into());
    }
    out
}

fn remote(binding: &BindingView) -> Value {
    let mut out = json!({"host": binding.remote.ip().to_canonical().to_string(), "port": binding.remote.port()});
    if let (Some(agent), Some(map)) = (&binding.agent, out.as_object_mut()) {
        map.insert("agent".into(), agent.as_str().into());
    }
    out
}
