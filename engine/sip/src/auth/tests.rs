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
    policy: Policy,
    realm: String,
    body: &'static [u8],
    now: Instant,
}

impl Pair {
    fn new(policy: Policy) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let now = sim::Clock::new().now();
        let server = Authenticator::new(AuthConfig::default(), &mut rng, now);
        Self { rng, server, policy, realm: "example.com".into(), body: b"", now }
    }

    fn challenge(&mut self) -> Vec<String> {
        let offer = Offer { realm: &self.realm, algorithms: &self.policy.algorithms, qualities: &self.policy.qualities };
        self.server.challenge(&offer, false, &mut self.rng, self.now)
    }

    fn client(&mut self, secret: &str) -> ClientAuth {
        let values = self.challenge();
        let identity = Identity { username: "1000".into(), secret: secret.into() };
        ClientAuth::new(identity, false, values.iter().map(String::as_str)).unwrap()
    }

    fn check(&mut self, value: &str, secret: Option<&Secret>) -> Verdict {
        let credentials = Credentials::parse(value).unwrap();
        let claim = Claim {
            credentials: &credentials,
            offer: Offer { realm: &self.realm, algorithms: &self.policy.algorithms, qualities: &self.policy.qualities },
            method: "REGISTER",
            body: self.body,
            secret,
            source: [192, 0, 2, 7].into(),
        };
        self.server.check(&claim, self.now)
    }
}

fn only(algorithm: Algorithm) -> Policy {
    Policy { algorithms: vec![algorithm], ..Policy::default() }
}

fn clear() -> Secret {
    Secret::Clear("1234".into())
}

#[test]
fn example_of_rfc_7616_section_3_9_1() {
    let (realm, nonce) = ("http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v");
    let qop = ProtectedBy { nc: "00000001", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", body: None };
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let proof = ha1(algorithm, "Mufasa", realm, "Circle of Life");
        assert_eq!(response(algorithm, &proof, nonce, Some(qop), "GET", "/dir/index.html"), expected);
    }
}

#[test]
fn example_of_rfc_7616_section_3_9_2() {
    // The response printed in the RFC is of a draft of the hash; its erratum has this one.
    let qop = ProtectedBy { nc: "00000001", cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", body: None };
    let proof = ha1(Algorithm::Sha512Half, "J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?");
    let nonce = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK";
    let expected = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
    assert_eq!(response(Algorithm::Sha512Half, &proof, nonce, Some(qop), "GET", "/doe.json"), expected);
}

#[test]
fn example_of_rfc_2617_section_3_5() {
    let value = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                 uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", \
                 response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let credentials = Credentials::parse(value).unwrap();
    let qop = credentials.qop.as_ref().unwrap();
    let protected = ProtectedBy { nc: qop.nc_text, cnonce: &qop.cnonce, body: None };
    let proof = ha1(Algorithm::Md5, &credentials.username, &credentials.realm, "Circle Of Life");
    let digest = response(Algorithm::Md5, &proof, &credentials.nonce, Some(protected), "GET", &credentials.uri);
    assert_eq!(digest, credentials.response.as_ref());
}

#[test]
fn a_right_password_is_accepted_once_per_count() {
    for algorithm in Algorithm::ALL {
        let mut pair = Pair::new(only(algorithm));
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
    let mut pair = Pair::new(Policy::default());
    let mut client = pair.client("4321");
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Refused(Refusal::WrongDigest));
    assert_eq!(pair.check(&value, None), Verdict::Refused(Refusal::UnknownUser));
    assert_eq!(pair.server.stats().nonces, 0);
}

#[test]
fn an_old_nonce_is_stale_and_a_wrong_password_on_it_is_wrong() {
    let mut pair = Pair::new(Policy::default());
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
    let mut pair = Pair::new(Policy::default());
    let mut client = pair.client("1234");
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    let (mut other, now) = (ChaCha12Rng::seed_from_u64(8), pair.now);
    pair.server = Authenticator::new(AuthConfig::default(), &mut other, now);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Stale);

    pair.realm = "example.org".into();
    let foreign = pair.challenge().remove(0);
    pair.realm = "example.com".into();
    let moved = foreign.replace("example.org", "example.com");
    let identity = Identity { username: "1000".into(), secret: "1234".into() };
    let mut client = ClientAuth::new(identity, false, std::iter::once(moved.as_str())).unwrap();
    let value = client.answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Stale);
}

#[test]
fn a_stored_ha1_does_as_well_as_the_secret_for_its_own_algorithm() {
    for algorithm in Algorithm::ALL {
        let mut pair = Pair::new(Policy { algorithms: Algorithm::ALL.to_vec(), ..Policy::default() });
        let hash = |algorithm| (algorithm, ha1(algorithm, "1000", "example.com", "1234").to_uppercase());
        let strongest = pair.client("1234").answer("REGISTER", "sip:example.com", &mut pair.rng);
        let verdict = pair.check(&strongest, Some(&Secret::Ha1(vec![hash(algorithm)])));
        let expected = if algorithm == Algorithm::Sha512Half { Verdict::Accepted } else { Verdict::Refused(Refusal::WrongAlgorithm) };
        assert_eq!(verdict, expected);
        let all = Secret::Ha1(Algorithm::ALL.into_iter().map(hash).collect());
        pair.policy = only(algorithm);
        let value = pair.client("1234").answer("REGISTER", "sip:example.com", &mut pair.rng);
        assert_eq!(pair.check(&value, Some(&all)), Verdict::Accepted);
    }
}

#[test]
fn one_challenge_per_algorithm_in_the_order_of_the_domain() {
    let algorithms = vec![Algorithm::Sha256, Algorithm::Sha512Half, Algorithm::Md5];
    let mut pair = Pair::new(Policy { algorithms, qualities: vec![Quality::AuthInt, Quality::Auth], ..Policy::default() });
    let values = pair.challenge();
    let tokens: Vec<Algorithm> = values.iter().map(|value| Challenge::parse(value).unwrap().algorithm).collect();
    assert_eq!(tokens, pair.policy.algorithms, "RFC 8760 §2.3");
    assert!(values.iter().all(|value| value.contains("qop=\"auth-int,auth\"")), "{values:?}");
}

#[test]
fn auth_int_covers_the_body() {
    let mut pair = Pair::new(Policy { qualities: vec![Quality::AuthInt], ..Policy::default() });
    pair.body = b"v=0\r\n";
    let mut client = pair.client("1234");
    let value = client.answer_for("REGISTER", "sip:example.com", pair.body, &mut pair.rng);
    assert!(value.contains("qop=auth-int"), "{value}");
    pair.body = b"v=1\r\n";
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Refused(Refusal::WrongDigest));
    pair.body = b"v=0\r\n";
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Accepted);
}

#[test]
fn guessing_is_slowed_and_the_right_password_waits_with_the_wrong_ones() {
    let mut pair = Pair::new(Policy::default());
    let mut accepted = 0;
    for _ in 0..1005 {
        let value = pair.client("4321").answer("REGISTER", "sip:example.com", &mut pair.rng);
        accepted += u32::from(matches!(pair.check(&value, Some(&clear())), Verdict::Refused(_)));
        pair.now += Duration::from_millis(100);
    }
    // 100 s: the burst, then one every ten seconds.
    assert!((12..=16).contains(&accepted), "{accepted} guesses were looked at");
    let value = pair.client("1234").answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Slowed);
    pair.now += Duration::from_secs(10);
    let value = pair.client("1234").answer("REGISTER", "sip:example.com", &mut pair.rng);
    assert_eq!(pair.check(&value, Some(&clear())), Verdict::Accepted);
    assert!(pair.server.stats().slowed > 900);
}

#[test]
fn a_client_without_qop_gets_one_request_per_nonce() {
    let mut pair = Pair::new(Policy::default());
    let challenge = pair.challenge().remove(0).replace(", qop=\"auth\"", "");
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
        "Digest realm=\"x\", nonce=\"a\", algorithm=SHA-3, qop=\"auth\"",
        "Digest realm=\"x\", nonce=\"b\", algorithm=\"MD5\", qop=\"auth-int,auth\", opaque=\"o\\\"p\"",
        "Digest realm=\"x\", nonce=\"c\", algorithm=SHA-256, qop=\"auth\"",
        "Digest realm=\"x\", nonce=\"d\", algorithm=SHA-512-256, qop=\"auth-conf\"",
        "Digest realm=\"x\", nonce=\"e\", algorithm=SHA-512-256, qop=\"auth-int\"",
    ];
    let identity = Identity { username: "u".into(), secret: "s".into() };
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut client = ClientAuth::new(identity.clone(), true, values.into_iter()).unwrap();
    assert_eq!(client.header(), "Proxy-Authorization");
    let value = client.answer("INVITE", "sip:x", &mut rng);
    assert!(value.contains("nonce=\"e\"") && value.contains("qop=auth-int"), "{value}");
    let mut client = ClientAuth::new(identity.clone(), true, values.into_iter().take(4)).unwrap();
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
    let fresh = |nonce: u32| format!("Digest realm=\"x\", nonce=\"{nonce}\", stale=TRUE");
    let mut client = ClientAuth::new(identity, false, std::iter::once(first)).unwrap();
    assert_eq!(client.challenged_again(false, std::iter::once(first)), Err(AnswerError::Refused));
    for nonce in 0..3 {
        assert_eq!(client.challenged_again(false, std::iter::once(fresh(nonce).as_str())), Ok(()));
        assert_eq!(client.challenged_again(false, std::iter::once(fresh(nonce).as_str())), Err(AnswerError::Refused), "once per nonce");
    }
    assert_eq!(client.challenged_again(false, std::iter::once(fresh(3).as_str())), Err(AnswerError::Refused));
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
        ("Digest username=u, realm=r, nonce=n, uri=x, response=y, qop=auth-conf", ParamError::UnknownQop),
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
        let mut pair = Pair::new(Policy::default());
        pair.realm = realm;
        let values = pair.challenge();
        let identity = Identity { username: user.clone(), secret: secret.clone() };
        let mut client = ClientAuth::new(identity, false, values.iter().map(String::as_str)).unwrap();
        let value = client.answer("REGISTER", "sip:a@b", &mut pair.rng);
        prop_assert_eq!(&Credentials::parse(&value).unwrap().username, &user);
        let verdict = pair.check(&value, Some(&Secret::Clear(secret)));
        prop_assert_eq!(verdict, Verdict::Accepted);
    }
}
