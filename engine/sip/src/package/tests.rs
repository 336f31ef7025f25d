//! Documents are well-formed whatever they are told, and tables keep to their limits.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn note(id: &str, state: CallState) -> CallNote {
    CallNote {
        id: id.into(),
        call_id: "c<1>&\"2\"".into(),
        local_tag: Some("a".into()),
        remote_tag: None,
        initiator: true,
        state,
        remote_name: "B & \"C\" <x>".into(),
        remote: "sip:1001@example.com".into(),
    }
}

#[test]
fn names_are_escaped_in_documents() {
    let document = dialog_info("a&b@example.com", 3, &[note("1", CallState::Early)]);
    assert!(
        document.contains("entity=\"sip:a&amp;b@example.com\"") && document.contains("display=\"B &amp; &quot;C&quot; &lt;x&gt;\""),
        "{document}"
    );
    assert!(document.contains("call-id=\"c&lt;1&gt;&amp;&quot;2&quot;\" local-tag=\"a\" direction=\"initiator\""), "{document}");
}

#[test]
fn an_ended_call_is_shown_once_to_those_who_watch() {
    let mut calls = NotedCalls::default();
    assert!(calls.note("u", note("1", CallState::Trying), false));
    assert!(!calls.note("u", note("1", CallState::Trying), false), "the same again");
    assert!(calls.note("u", note("2", CallState::Early), true));
    assert!(calls.note("u", note("1", CallState::Terminated), true));
    assert_eq!(calls.of("u").len(), 2);
    assert!(calls.note("u", note("2", CallState::Terminated), true));
    assert_eq!(calls.of("u").len(), 1, "the first is shown no more");
    assert!(!calls.note("u", note("3", CallState::Terminated), true), "never heard of");
    assert!(!calls.note("v", note("3", CallState::Terminated), false));
    assert!(calls.note("v", note("3", CallState::Trying), false));
    assert!(calls.note("v", note("3", CallState::Terminated), false));
    assert!(calls.of("v").is_empty());
}

#[test]
fn publications_keep_to_their_limits() {
    let now = sim::Clock::new().now();
    let config = PublicationConfig { publications_max: 3, per_user_max: 2, ..PublicationConfig::default() };
    let mut table = Publications::new(config, now);
    let publish = |table: &mut Publications, resource: &str, tag: &str| {
        table.publish(&Publish { resource, tag: None, expires_s: None, body: Some(tag), new_tag: tag }, now)
    };
    for tag in ["a", "b", "c"] {
        publish(&mut table, "u", tag).unwrap();
    }
    assert_eq!((table.len(), table.body("u")), (2, Some("c")), "the oldest of a user gives way");
    publish(&mut table, "v", "d").unwrap();
    assert_eq!(publish(&mut table, "w", "e"), Err(PublishError::Full { max: 3 }));
    let old = Publish { resource: "u", tag: Some("a"), expires_s: None, body: None, new_tag: "f" };
    assert_eq!(table.publish(&old, now), Err(PublishError::Unmatched));
    assert_eq!(table.handle_timeout(now + Duration::from_secs(3601)).len(), 3);
    assert!(table.is_empty() && table.next_deadline().is_none());
}

proptest! {
    #[test]
    fn any_text_stays_inside_its_place(text in "\\PC{0,40}") {
        let document = dialog_info(&text, 0, &[CallNote { remote_name: text.as_str().into(), ..note(&text, CallState::Early) }]);
        let tags = document.matches('<').count();
        prop_assert_eq!(tags, document.matches('>').count());
        prop_assert_eq!(tags, dialog_info("", 0, &[CallNote { remote_name: "x".into(), ..note("", CallState::Early) }]).matches('<').count());
    }
}
