//! Digest: the examples of the RFCs, the round trip of our two sides, and what must be refused.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;
use crate::api::Secret;

struct Pair {
    rng: ChaCha12Rng,
    server: Authenticator,
    now: Instant,
}

impl Pair {
    fn new(config: AuthConfig) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let now = sim::Clock::new().now();
        let server = Authenticator::new(config, &mut rng, now);
        Self { rng, server, now }
    }

    fn client(&mut self, secret: &str) -> ClientAuth {
        let values = self.server.challenge("example.com", false, &mut self.rng, self.now);
        let identity = Identity { username: "1000".into(), secret: secret.into() };
        ClientAuth::new(identity, false, values.iter().map(String::as_str)).unwrap()
    }

    fn check(&mut self, value: &str, secret: Option<&Secret>) -> Verdict {
        let credentials = Credentials::parse(value).unwrap();
        self.server.check(&credentials, "example.com", "REGISTER", secret, self.now)
    }
}

fn clear() -> Secret {
    Secret::Clear("1234".into())
}

#[test]
fn example_of_rfc_7616_section_3_9_1() {
    let (realm, nonce) = ("http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v");
    let qop = ProtectedBy { nc: "00000001", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" };
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let proof = ha1(algorithm, "Mufasa", realm, "Circle of Life");
        assert_eq!(response(algorithm, &proof, nonce, Some(qop), "GET", "/dir/index.html"), expected);
    }
}

#[test]
fn example_of_rfc_2617_section_3_5() {
    let value = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                 uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", \
                 response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let credentials = Credentials::parse(value).unwrap();
    let qop = credentials.qop.as_ref().unwrap();
    let protected = ProtectedBy { nc: qop.nc_text, cnonce: &qop.cnonce };
    let proof = ha1(Algorithm::Md5, &credentials.username, &credentials.realm, "Circle Of Life");
    let digest = response(Algorithm::Md5, &proof, &credentials.nonce, Some(protected), "GET", &credentials.uri);
    assert_eq!(digest, credentials.response.as_ref());
}

#[test]
fn a_right_password_is_accepted_once_per_count() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut pair = Pair::new(AuthConfig { algorithms: vec![algorithm], ..AuthConfig::default() });
        let mut client = pair.client("1234");
        let first = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
        assert_eq!(pair.check(&first, Some(&clear())), Verdict::Accepted);
        assert_eq!(pair.check(&first, Some(&clear())), Verdict::Stale, "played again");
        let second = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
        assert!(second.contains("nc=00000002"), "{second}");
        assert_eq!(pair.check(&second, Some(&clear())), Verdict::Accepted);
        assert_eq!(pair.server.stats().nonces, 1);
    }
}

#[test]
fn a_wrong_password_leaves_nothing_behind() {
    let mut pair = Pair::new(AuthConfig::default());
    let mut client = pair.client("4321");
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Refused(Refusal::WrongDigest));
    assert_eq!(pair.check(&value, None), Verdict::Refused(Refusal::UnknownUser));
    assert_eq!(pair.server.stats().nonces, 0);
}

#[test]
fn an_old_nonce_is_stale_and_a_wrong_password_on_it_is_wrong() {
    let mut pair = Pair::new(AuthConfig::default());
    let mut client = pair.client("1234");
    let mut stranger = pair.client("4321");
    pair.now += Duration::from_secs(3601);
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Stale);
    let value = stranger.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Refused(Refusal::WrongDigest));
}

#[test]
fn a_nonce_of_another_run_or_realm_is_stale() {
    let mut pair = Pair::new(AuthConfig::default());
    let mut client = pair.client("1234");
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    let (mut other, now) = (ChaCha12Rng::seed_from_u64(8), pair.now);
    pair.server = Authenticator::new(AuthConfig::default(), &mut other, now);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Stale);

    let foreign = pair.server.challenge("example.org", false, &mut pair.rng, now).remove(0);
    let moved = foreign.replace("example.org", "example.com");
    let identity = Identity { username: "1000".into(), secret: "1234".into() };
    let mut client = ClientAuth::new(identity, false, std::iter::once(moved.as_str())).unwrap();
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Stale);
}

#[test]
fn a_stored_ha1_does_as_well_as_the_secret() {
    let mut pair = Pair::new(AuthConfig::default());
    let mut client = pair.client("1234");
    let stored = Secret::Ha1(ha1(Algorithm::Md5, "1000", "example.com", "1234").to_uppercase());
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&stored)), Verdict::Accepted);
}

#[test]
fn a_client_without_qop_gets_one_request_per_nonce() {
    let mut pair = Pair::new(AuthConfig::default());
    let challenge = pair.server.challenge("example.com", false, &mut pair.rng, pair.now).remove(0).replace(", qop=\"auth\"", "");
    let identity = Identity { username: "1000".into(), secret: "1234".into() };
    let mut client = ClientAuth::new(identity, false, std::iter::once(challenge.as_str())).unwrap();
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert!(!value.contains("qop") && !value.contains("cnonce"), "{value}");
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Accepted);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Stale);
}

#[test]
fn the_strongest_of_several_challenges_is_answered() {
    let values = [
        "Basic realm=\"x\"",
        "Digest realm=\"x\", nonce=\"a\", algorithm=SHA-512-256, qop=\"auth\"",
        "Digest realm=\"x\", nonce=\"b\", algorithm=\"MD5\", qop=\"auth-int,auth\", opaque=\"o\\\"p\"",
        "Digest realm=\"x\", nonce=\"c\", algorithm=SHA-256, qop=\"auth\"",
        "Digest realm=\"x\", nonce=\"d\", algorithm=MD5, qop=\"auth-int\"",
    ];
    let identity = Identity { username: "u".into(), secret: "s".into() };
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut client = ClientAuth::new(identity.clone(), true, values.into_iter()).unwrap();
    assert_eq!(client.header(), "Proxy-Authorization");
    assert!(client.answer("INVITE", "sip:x", &mut rng).contains("nonce=\"c\""));
    let mut client = ClientAuth::new(identity.clone(), true, values.into_iter().take(3)).unwrap();
    let value = client.answer("INVITE", "sip:x", &mut rng);
    assert!(value.contains("nonce=\"b\"") && value.contains("opaque=\"o\\\"p\"") && value.contains("nc=00000001"), "{value}");
    let none = ClientAuth::new(identity, true, values.into_iter().take(2));
    assert!(matches!(none, Err(AnswerError::NoneUsable)));
}

#[test]
fn a_refused_password_is_not_sent_again_but_a_stale_nonce_is_answered() {
    let identity = Identity { username: "u".into(), secret: "s".into() };
    let first = "Digest realm=\"x\", nonce=\"a\"";
    let stale = "Digest realm=\"x\", nonce=\"b\", stale=TRUE";
    let mut client = ClientAuth::new(identity, false, std::iter::once(first)).unwrap();
    assert_eq!(client.challenged_again(false, std::iter::once(first)), Err(AnswerError::Refused));
    for _ in 0..3 {
        assert_eq!(client.challenged_again(false, std::iter::once(stale)), Ok(()));
    }
    assert_eq!(client.challenged_again(false, std::iter::once(stale)), Err(AnswerError::Refused));
    assert_eq!(client.challenged_again(true, std::iter::once(first)), Ok(()), "a proxy may ask after the server");
}

#[test]
fn broken_headers_are_told_apart() {
    for (value, expected) in [
        ("Basic dXNlcjpwYXNz", ParamError::OtherScheme),
        ("Digest", ParamError::OtherScheme),
        ("", ParamError::OtherScheme),
        ("Digest username", ParamError::Malformed),
        ("Digest username=\"u", ParamError::Malformed),
        ("Digest username=\"u\\", ParamError::Malformed),
        ("Digest username=\"u\" realm=\"r\"", ParamError::Malformed),
        ("Digest =\"u\"", ParamError::Malformed),
        ("Digest username=\"u\", username=\"v\", realm=r, nonce=n, uri=x, response=y", ParamError::Repeated("username")),
        ("Digest username=\"u\", realm=r, nonce=n, uri=x", ParamError::Missing("response")),
        ("Digest username=u, realm=r, nonce=n, uri=x, response=y, algorithm=MD5-sess", ParamError::UnknownAlgorithm),
        ("Digest username=u, realm=r, nonce=n, uri=x, response=y, qop=auth-int", ParamError::UnknownQop),
        ("Digest username=u, realm=r, nonce=n, uri=x, response=y, qop=auth", ParamError::Missing("nc")),
        ("Digest username=u, realm=r, nonce=n, uri=x, response=y, qop=auth, nc=1, cnonce=c", ParamError::Malformed),
        ("Digest username=u, realm=r, nonce=n, uri=x, response=y, qop=auth, nc=0000000g, cnonce=c", ParamError::Malformed),
    ] {
        assert_eq!(Credentials::parse(value), Err(expected), "{value}");
    }
    let many = format!("Digest {}", (0..40).map(|n| format!("p{n}=1,")).collect::<String>());
    assert_eq!(Credentials::parse(&many), Err(ParamError::Malformed));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in ".{0,200}") {
        let _ = Credentials::parse(&text);
        let _ = Challenge::parse(&format!("Digest {text}"));
    }

    #[test]
    fn what_the_client_writes_the_server_reads(user in "[ -~]{1,40}", secret in "\\PC{0,40}", realm in "[ -~]{1,40}") {
        let mut pair = Pair::new(AuthConfig::default());
        let values = pair.server.challenge(&realm, false, &mut pair.rng, pair.now);
        let identity = Identity { username: user.clone(), secret: secret.clone() };
        let mut client = ClientAuth::new(identity, false, values.iter().map(String::as_str)).unwrap();
        let value = client.answer("INVITE", "sip:a@b", &mut pair.rng);
        let credentials = Credentials::parse(&value).unwrap();
        prop_assert_eq!(&credentials.username, &user);
        let verdict = pair.server.check(&credentials, &realm, "INVITE", Some(&Secret::Clear(secret)), pair.now);
        prop_assert_eq!(verdict, Verdict::Accepted);
    }
}
