//! What a core that is full still does.
//!
//! ```text
//!   not accepting (no headroom)   no channel is opened      what is open gets its far end and goes on
//!   saturated                     and no call begins        who has a far end is served: mixed, played to, recorded
//! ```
//! Shape:  one question about a command.
//! Errors: none; the answer is 503 (`CommandError::Unavailable`).
//! Why so: a call that was let in has been answered, or will be. To refuse its mix would end it, or leave two people in silence;
//!         to refuse the far end of another costs a call that nobody has heard yet.

use rtp::api::{ChannelId, Command};

/// Whether this begins a call, or prepares one that has not begun.
pub(super) fn is_new_work(command: &Command, is_targeted: impl Fn(ChannelId) -> bool) -> bool {
    match command {
        Command::Target { channel, .. }
        | Command::Echo { channel, .. }
        | Command::Play { channel, .. }
        | Command::Record { channel, .. } => !is_targeted(*channel),
        Command::Mix { a, b } => !is_targeted(*a) || !is_targeted(*b),
        Command::Open(_)
        | Command::Unmix { .. }
        | Command::Direction { .. }
        | Command::Level { .. }
        | Command::Speakers { .. }
        | Command::StopPlay { .. }
        | Command::StopRecord { .. }
        | Command::Dtmf { .. }
        | Command::Close { .. }
        | Command::List
        | Command::Get { .. }
        | Command::Status => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what is wrong by ending")]

    use super::*;

    #[test]
    fn who_has_a_far_end_is_mixed_whatever_the_load() {
        let [one, other, new] = [1, 2, 3].map(ChannelId::from_random);
        let is_targeted = |channel| channel != new;
        assert!(!is_new_work(&Command::Mix { a: one, b: other }, is_targeted));
        assert!(is_new_work(&Command::Mix { a: one, b: new }, is_targeted));
        assert!(is_new_work(&Command::Mix { a: new, b: other }, is_targeted));
        assert!(!is_new_work(&Command::Echo { channel: one }, is_targeted));
        assert!(is_new_work(&Command::Echo { channel: new }, is_targeted));
        assert!(!is_new_work(&Command::Close { channel: new }, is_targeted), "an end always");
    }
}
