//! `/dir` and `/reg`.

use sip::api::{Algorithm, BindingView, Counts, DomainView, Mailbox, Policy, RegisteredUser, RegistrationsView};

use super::*;

#[test]
fn the_documented_directory_lines_become_commands() {
    let body = r#"{"control":"http://127.0.0.1:9001","users":[{"username":"1003","secret":"s"},{"username":"1000","ha1":"0123456789ABCDEF0123456789abcdef"}]}"#;
    let users = vec![
        user("1003", "s"),
        UserEntry { username: "1000".into(), secret: Secret::Ha1(vec![(Algorithm::Md5, "0123456789abcdef0123456789abcdef".into())]) },
    ];
    assert_eq!(
        command(Method::Put, "/dir/Bling.Babblevoice.com", body),
        Command::DirReplace { domain: "bling.babblevoice.com".into(), control: Some(control()), users: users.clone(), policy: None }
    );
    assert_eq!(
        command(Method::Patch, "/dir/a.b", r#"{"users":[{"username":"1","secret":""}],"x":1}"#),
        Command::DirUpdate { domain: "a.b".into(), control: None, users: vec![user("1", "")], policy: None }
    );
    assert_eq!(
        command(Method::Patch, "/dir/a.b", ""),
        Command::DirUpdate { domain: "a.b".into(), control: None, users: vec![], policy: None }
    );
    let policy = Policy { algorithms: vec![Algorithm::Sha256, Algorithm::Md5], ..Policy::default() };
    assert_eq!(
        command(Method::Patch, "/dir/a.b", r#"{"authentication":{"algorithms":["SHA-256","MD5"]}}"#),
        Command::DirUpdate { domain: "a.b".into(), control: None, users: vec![], policy: Some(policy) }
    );
    let sha = "ab".repeat(32);
    assert_eq!(
        command(Method::Put, "/dir/a.b/1003", &format!(r#"{{"ha1":{{"SHA-256":"{sha}"}}}}"#)),
        Command::DirUser {
            domain: "a.b".into(),
            user: UserEntry { username: "1003".into(), secret: Secret::Ha1(vec![(Algorithm::Sha256, sha)]) }
        }
    );
    for method in [Method::Put, Method::Patch] {
        assert_eq!(
            command(method, "/dir/a.b/1003", r#"{"secret":"s"}"#),
            Command::DirUser { domain: "a.b".into(), user: user("1003", "s") }
        );
    }
    assert_eq!(command(Method::Get, "/dir/", ""), Command::DirGet { domain: None, user: None });
    assert_eq!(command(Method::Delete, "/dir/A.b", ""), Command::DirDelete { domain: "a.b".into(), user: None });
    assert_eq!(command(Method::Delete, "/dir/a.b/10%2F03", ""), Command::DirDelete { domain: "a.b".into(), user: Some("10/03".into()) });
}

#[test]
fn directory_answers_have_the_documented_shape_and_status() {
    assert_eq!(answered(Method::Put, "/dir/a", r#"{"control":"http://h:1","users":[]}"#, Ok(Reply::Done)), (201, value!({})));
    assert_eq!(answered(Method::Put, "/dir/a/1", r#"{"secret":"s"}"#, Ok(Reply::Created)).0, 201);
    assert_eq!(answered(Method::Patch, "/dir/a/1", r#"{"secret":"s"}"#, Ok(Reply::Done)).0, 200);
    assert_eq!(answered(Method::Get, "/dir", "", Ok(Reply::Domains(vec!["a.b".into()]))), (200, value!({"domains":["a.b"]})));
    let view = DomainView {
        domain: "a".into(),
        control: Some(control()),
        users: vec!["1".into()],
        domains: vec!["b.a".into()],
        policy: Policy::default(),
    };
    assert_eq!(
        answered(Method::Get, "/dir/a", "", Ok(Reply::Domain(view))),
        (
            200,
            value!({"domain":"a","control":"http://127.0.0.1:9001","users":["1"],"domains":["b.a"],
                "authentication":{"policy":"challenge","algorithms":["MD5"],"qop":["auth"],"proxy":false,"messages":false}})
        )
    );
    assert_eq!(
        answered(Method::Get, "/dir/a/1", "", Ok(Reply::User { domain: "a".into(), username: "1".into() })),
        (200, value!({"domain":"a","username":"1"}))
    );
    assert_eq!(
        answered(Method::Get, "/dir/x", "", Err(CommandError::NotFound("domain x".into()))),
        (404, value!({"error":"not_found","detail":"domain x is not known here"}))
    );
}

#[test]
fn a_bad_field_is_named() {
    for (body, detail) in [
        ("", "control is missing"),
        ("[]", "the body must be an object"),
        (r#"{"control":"http://h:1"}"#, "users is missing"),
        (r#"{"control":"http://h:1","users":{}}"#, "users must be an array"),
        (r#"{"control":"http://h:1","users":[1]}"#, "users[0] must be an object"),
        (r#"{"control":"http://h:1","users":[{"secret":"s"}]}"#, "users[0].username is missing"),
        (r#"{"control":"http://h:1","users":[{"username":"","secret":"s"}]}"#, "users[0].username must not be empty"),
        (
            r#"{"control":"http://h:1","users":[{"username":"a b","secret":"s"}]}"#,
            "users[0].username must be 1 to 255 bytes without white space or @",
        ),
        (
            r#"{"control":"http://h:1","users":[{"username":"1","secret":"s"},{"username":"2","secret":"s"},{"username":"3","secret":3}]}"#,
            "users[2].secret must be a string",
        ),
        (r#"{"control":"http://h:1","users":[{"username":"1"}]}"#, "users[0].secret is missing"),
        (r#"{"control":"http://h:1","users":[{"username":"1","ha1":"x"}]}"#, "users[0].ha1 must be 32 hex digits"),
        (r#"{"control":"http://h:1","users":[{"username":"1","secret":"s","ha1":"x"}]}"#, "users[0].ha1 and secret exclude each other"),
        (r#"{"control":7,"users":[]}"#, "control must be a URL or an object of host and port"),
    ] {
        assert_eq!(bad(Method::Put, "/dir/a", body), detail, "{body}");
    }
    assert!(bad(Method::Put, "/dir/a", "{").starts_with("the body is not JSON: "));
    assert!(bad(Method::Put, "/dir/a", &"[".repeat(1000)).starts_with("the body is not JSON: "));
    assert_eq!(bad(Method::Put, "/dir/a", "\u{feff}{}"), "control is missing");
    assert_eq!(bad(Method::Put, "/dir/a%20b", "{}"), "the domain in the path must be a host name or an address");
    assert_eq!(bad(Method::Patch, "/dir/a/b", "{}"), "secret is missing");
}

#[test]
fn registrations_have_the_documented_shape() {
    assert_eq!(answered(Method::Get, "/reg/", "", Ok(Reply::RegCount(1255))), (200, value!({"count":1255})));
    assert_eq!(command(Method::Get, "/reg/A/1", ""), Command::RegGet { domain: Some("a".into()), user: Some("1".into()) });
    let binding = BindingView {
        contact: "sip:1003@127.0.0.1:42068".into(),
        q: 1000,
        path: Some("<sip:edge.example.com;lr>".into()),
        remote: "127.0.0.1:42068".parse().unwrap(),
        agent: Some("Z 5.2".into()),
        transport: "udp",
        expires: 3600,
        expiresin: 3000,
        outstandingping: 0,
        registered: 1_552_507_958,
    };
    let users = vec![
        RegisteredUser { username: "1000".into(), contacts: vec![] },
        RegisteredUser { username: "1003".into(), contacts: vec![binding] },
    ];
    let view = RegistrationsView { domain: "bling.babblevoice.com".into(), count: 3, registered: 1, users };
    let remote = value!({"host":"127.0.0.1","port":42068,"agent":"Z 5.2"});
    let epochs = value!({"registered":1_552_507_958});
    assert_eq!(
        answered(Method::Get, "/reg/bling.babblevoice.com", "", Ok(Reply::Registrations(view))),
        (
            200,
            value!({
            "domain":"bling.babblevoice.com","count":3,"registered":1,
            "users":{
                "1000":{"registered":false},
                "1003":{"registered":true,"outstandingping":0,"remote":remote,"epochs":epochs,"expires":3600,"expiresin":3000,"transport":"udp",
                    "contacts":[{"contact":"sip:1003@127.0.0.1:42068","q":1.0,"path":"<sip:edge.example.com;lr>","remote":remote,"transport":"udp","expires":3600,"expiresin":3000,"outstandingping":0,"epochs":epochs}]},
            }})
        )
    );
}

#[test]
fn mailboxes_are_set_and_shown() {
    let set = |body: &str| match command(Method::Put, "/mwi/A.b/1003", body) {
        Command::MailboxSet { domain, user, mailbox } => (domain, user, mailbox),
        other => panic!("{other:?}"),
    };
    let voice = Counts { new: 2, old: 8, ..Counts::default() };
    assert_eq!(set(r#"{"new":2,"old":8}"#), ("a.b".into(), "1003".into(), Mailbox { waiting: true, voice }));
    assert_eq!(set("").2, Mailbox::default());
    assert!(!set(r#"{"new":2,"waiting":false}"#).2.waiting);
    assert_eq!(answered(Method::Put, "/mwi/a/1", "{}", Ok(Reply::Done)), (200, value!({})));
    assert_eq!(
        answered(Method::Get, "/mwi/a/1", "", Ok(Reply::Mailbox(Mailbox { waiting: true, voice }))),
        (200, value!({"new":2,"old":8,"urgentnew":0,"urgentold":0,"waiting":true}))
    );
    assert_eq!(answered(Method::Put, "/mwi/a/1", r#"{"new":-1}"#, Ok(Reply::Done)).0, 400);
    assert_eq!(answered(Method::Get, "/mwi/a/1", "", Err(CommandError::NotFound("1".into()))).0, 404);
    assert_eq!(answered(Method::Delete, "/mwi/a/1", "", Ok(Reply::Done)).0, 405);
}
