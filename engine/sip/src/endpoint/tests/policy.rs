//! Whom a domain asks for a password, through the whole endpoint.

use super::*;
use crate::auth::{Algorithm, Authentication, Policy};

const CONTACT: &str = "Contact: <sip:1000@10.0.0.7:5060>\r\nExpires: 600\r\n";

fn register(branch: &str, cseq: u32, lines: &str) -> String {
    request("REGISTER", "sip:example.com", branch, cseq, lines)
}

impl Bench {
    pub fn set_policy(&mut self, policy: Policy) {
        let command = Command::DirUpdate { domain: "example.com".into(), control: None, users: vec![], policy: Some(policy) };
        self.endpoint.command(command, self.now).unwrap();
    }
}

#[test]
fn trusted_addresses_need_no_password_and_others_do() {
    let mut bench = Bench::new();
    let trusted = Authentication::Trusted(vec!["192.0.2.7".parse().unwrap()]);
    bench.set_policy(Policy { authentication: trusted, ..Policy::default() });
    assert_eq!(status(&bench.ask(PHONE, &register("a", 1, CONTACT))), 200);
    assert_eq!(status(&bench.ask("192.0.2.8:5060", &register("b", 2, CONTACT))), 401);
    let nobody = register("c", 3, CONTACT).replace("To: <sip:1000@", "To: <sip:nobody@");
    assert_eq!(status(&bench.ask(PHONE, &nobody)), 404, "trusted or not, only users of the directory register");
    bench.set_policy(Policy { authentication: Authentication::None, ..Policy::default() });
    assert_eq!(status(&bench.ask("192.0.2.8:5060", &register("d", 4, CONTACT))), 200);
}

#[test]
fn every_algorithm_of_the_domain_is_offered_and_taken() {
    let mut bench = Bench::new();
    bench.set_policy(Policy { algorithms: vec![Algorithm::Sha256, Algorithm::Md5], ..Policy::default() });
    let challenge = bench.ask(PHONE, &register("a", 1, CONTACT));
    let values = header_values(&challenge, HeaderName::WwwAuthenticate);
    assert!(values.len() == 2 && values[0].contains("SHA-256") && values[1].contains("MD5"), "{values:?}");
    let proof = bench.authorization(&challenge, "1000", "1234", "REGISTER");
    assert!(proof.contains("algorithm=SHA-256"), "{proof}");
    assert_eq!(status(&bench.ask(PHONE, &register("b", 2, &format!("{CONTACT}{proof}")))), 200);
    let identity = Identity { username: "1000".into(), secret: "1234".into() };
    let mut old_phone = ClientAuth::new(identity, false, std::iter::once(values[1].as_str())).unwrap();
    let proof = old_phone.answer("REGISTER", "sip:example.com", &mut bench.rng);
    assert_eq!(status(&bench.ask(PHONE, &register("c", 3, &format!("{CONTACT}Authorization: {proof}\r\n")))), 401, "the nonce was used");
    assert_eq!(status(&bench.ask(PHONE, &register("d", 4, &format!("{CONTACT}Proxy-Authorization: {proof}\r\n")))), 401);
}

#[test]
fn a_proxy_challenge_asks_for_calls_and_not_for_registrations() {
    let mut bench = Bench::new();
    bench.set_policy(Policy { proxy: true, ..Policy::default() });
    assert_eq!(status(&bench.ask(PHONE, &register("a", 1, CONTACT))), 401);
    let invite = request("INVITE", "sip:1001@example.com", "i", 1, "Contact: <sip:1000@192.0.2.7>\r\n");
    let challenge = bench.ask(PHONE, &invite);
    assert_eq!((status(&challenge), header_values(&challenge, HeaderName::ProxyAuthenticate).len()), (407, 1));
    let identity = Identity { username: "1000".into(), secret: "1234".into() };
    let values = header_values(&challenge, HeaderName::ProxyAuthenticate);
    let mut client = ClientAuth::new(identity, true, values.iter().map(String::as_str)).unwrap();
    let proof = client.answer("INVITE", "sip:1001@example.com", &mut bench.rng);
    let lines = format!("Contact: <sip:1000@192.0.2.7>\r\nProxy-Authorization: {proof}\r\n");
    assert_eq!(status(&bench.ask(PHONE, &request("INVITE", "sip:1001@example.com", "j", 2, &lines))), 100);
}

#[test]
fn guessing_gets_403_and_others_at_the_same_address_do_not() {
    let mut bench = Bench::new();
    let challenge = bench.ask(PHONE, &register("a", 1, CONTACT));
    let mut answers = Vec::new();
    for guess in 0..8 {
        let wrong = bench.authorization(&challenge, "1000", "4321", "REGISTER");
        let answer = bench.ask(PHONE, &register(&format!("g{guess}"), 2 + guess, &format!("{CONTACT}{wrong}")));
        answers.push(status(&answer));
        assert_eq!(header_values(&answer, HeaderName::RetryAfter).len(), usize::from(status(&answer) == 403));
    }
    assert_eq!(answers, [401, 401, 401, 401, 401, 401, 403, 403]);
    let right = bench.authorization(&challenge, "1001", "1234", "REGISTER");
    let colleague = register("r", 20, &format!("{CONTACT}{right}")).replace("<sip:1000@example.com>", "<sip:1001@example.com>");
    assert_eq!(status(&bench.ask(PHONE, &colleague)), 200);
}
