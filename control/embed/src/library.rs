//! The JavaScript that is part of the binary: the call library, the default script, and what surrounds a script here.
//!
//! Shape:  names start with [`ROOT`]; what a script requires as `projectcontrol` is `lib:/index.js`.
//! Errors: none; an unknown name is `None`.

/// Where built-in files seem to be.
pub const ROOT: &str = "lib:/";

/// `require("projectcontrol")`.
pub const PROJECTCONTROL: &str = "lib:/index.js";

/// `require("projectqueue")`.
pub const PROJECTQUEUE: &str = "lib:/queue/index.js";

/// The default script.
pub const EXTENSIONS: &str = "lib:/examples/extensions.js";

/// What a script finds besides the language.
pub const PRELUDE: &str = include_str!("../js/prelude.js");

/// Values as text for `console`.
pub const INSPECT: &str = include_str!("../js/inspect.js");

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        /// Name within [`ROOT`], text.
        const SOURCES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../", $name)))),*];
    };
}

sources![
    "address.js",
    "audit.js",
    "call.js",
    "callbacks.js",
    "callerror.js",
    "callmedia.js",
    "callstate.js",
    "calltable.js",
    "cdr.js",
    "channel.js",
    "codecs.js",
    "conference.js",
    "description.js",
    "dialog.js",
    "digits.js",
    "direct.js",
    "examples/extensions.js",
    "family.js",
    "host/embedded.js",
    "host/index.js",
    "hunt.js",
    "index.js",
    "ivr/collect.js",
    "ivr/index.js",
    "ivr/menu.js",
    "ivr/say.js",
    "ivr/voicemail.js",
    "json.js",
    "lane.js",
    "later.js",
    "link.js",
    "originate.js",
    "peer.js",
    "pick.js",
    "pool.js",
    "progress.js",
    "projectcontrol.js",
    "queue/agent.js",
    "queue/index.js",
    "queue/queue.js",
    "queue/queues.js",
    "reclaim.js",
    "redirect.js",
    "registration.js",
    "relearn.js",
    "replace.js",
    "reply.js",
    "rescue.js",
    "ringgroup.js",
    "routes.js",
    "sdp.js",
    "server.js",
    "session.js",
    "snapshot.js",
    "template.js",
    "times.js",
    "transfer.js",
    "version.js",
];

/// Text of a built-in file, by its whole name.
pub fn source(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix(ROOT)?;
    SOURCES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::{SOURCES, source};

    #[test]
    fn every_file_of_the_library_is_built_in() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for part in ["", "ivr/", "queue/"] {
            for entry in std::fs::read_dir(folder.join(part)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".js") {
                    assert!(source(&format!("lib:/{part}{name}")).is_some(), "{part}{name} is missing in library.rs");
                }
            }
        }
        assert!(SOURCES.iter().all(|(_, text)| !text.is_empty()));
        assert_eq!(source("index.js"), None);
    }
}
