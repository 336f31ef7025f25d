//! Tests of URIs; the pairs are those of RFC 3261 §19.1.4 and §19.1.3.

use super::*;

fn uri(text: &str) -> Uri<'_> {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_part_is_read() {
    let uri = SipUri::parse(
        "sips:alice:se%20cret@[2001:db8::1]:5071;transport=tcp;LR;ttl=15;maddr=239.255.255.1;x=%41?Subject=a%20b&priority=urgent",
    )
    .unwrap();
    assert!(uri.is_secure());
    assert_eq!(uri.user().as_deref(), Some("alice"));
    assert_eq!(uri.password().as_deref(), Some("se cret"));
    assert_eq!(uri.host().ip(), "2001:db8::1".parse().ok());
    assert_eq!(uri.port(), Some(5071));
    assert!(uri.params().is_loose_router());
    assert_eq!(uri.params().transport(), Some("tcp"));
    assert_eq!(uri.params().ttl(), Some(15));
    assert_eq!(uri.params().maddr(), Host::parse("239.255.255.1"));
    assert_eq!(uri.params().get("X"), Some("%41"));
    assert_eq!(uri.headers().get("subject").as_deref(), Some("a b"));
    assert_eq!(uri.headers().iter().count(), 2);
}

#[test]
fn examples_of_the_rfc_are_read() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    ] {
        assert!(uri(text).as_sip().is_some(), "{text}");
    }
}

#[test]
fn user_with_semicolon_or_escaped_at_is_one_user() {
    assert_eq!(uri("sip:user;par=u%40example.net@example.com").user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(uri("sip:sips%3Auser%40example.com@example.net").user().as_deref(), Some("sips:user@example.com"));
    assert_eq!(uri("sip:*43#@example.net").user().as_deref(), Some("*43#"));
}

#[test]
fn each_wrong_part_has_its_error() {
    for (text, error) in [
        ("", UriError::Scheme),
        ("alice@atlanta.com", UriError::Scheme),
        ("1sip:a@b", UriError::Scheme),
        ("sip:@b", UriError::User),
        ("sip:a b@c", UriError::User),
        ("sip:%4@c", UriError::User),
        ("sip:a@b@c", UriError::Host),
        ("sip:", UriError::Host),
        ("sip:a@", UriError::Host),
        ("sip:a@[::1", UriError::Host),
        ("sip:a@b c", UriError::Host),
        ("sip:a@b:", UriError::Port),
        ("sip:a@b:65536", UriError::Port),
        ("sip:a@b;", UriError::Param),
        ("sip:a@b;x;;y", UriError::Param),
        ("sip:a@b;x=%4", UriError::Param),
        ("sip:a@b; lr", UriError::Param),
        ("sip:a@b?", UriError::Header),
        ("sip:a@b?x=%", UriError::Header),
        ("sip:a@b?x= y", UriError::Header),
        ("tel:", UriError::Number),
        ("tel:+-", UriError::Number),
        ("tel:12 3", UriError::Number),
        ("http://a b", UriError::Character),
    ] {
        assert_eq!(Uri::parse(text).err(), Some(error), "{text}");
    }
}

#[test]
fn other_schemes_are_kept_as_text() {
    assert!(matches!(uri("tel:+1-201-555-0123;phone-context=example.com"), Uri::Tel(tel) if tel.dialled() == "+12015550123"));
    assert!(matches!(uri("nobodyKnowsThisScheme:totallyopaquecontent"), Uri::Other(other) if other.scheme() == "nobodyKnowsThisScheme"));
    assert_eq!(uri("soap.beep://192.0.2.103:3002").scheme(), "soap.beep");
}

#[test]
fn equal_pairs_of_the_rfc_match() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        ("sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x"),
        ("sip:chicago.com;newparam=5;newparam=6", "sip:chicago.com;newparam=5"),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ] {
        assert!(uri(a).matches(&uri(b)) && uri(b).matches(&uri(a)), "{a} {b}");
    }
}

#[test]
fn different_pairs_of_the_rfc_do_not_match() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com", "sips:carol@chicago.com"),
        ("sip:carol@chicago.com", "sip:chicago.com"),
        ("sip:carol@chicago.com", "sip:carol:x@chicago.com"),
        ("tel:+12015550123", "sip:+12015550123@chicago.com"),
    ] {
        assert!(!uri(a).matches(&uri(b)) && !uri(b).matches(&uri(a)), "{a} {b}");
    }
}
