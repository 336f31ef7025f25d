//! The message corpus of `testfiles/`, part of the program: an installed binary has no source tree beside it.
//! Shape:  name and bytes; `engine/sip/src/selftest/tests.rs` holds the lists against the folders.
//! Errors: none.
//! Source: RFC 4475 (`testfiles/torture/README.md`), messages of phones made for this project.

/// What a server has to do with each message of [`TORTURE`].
pub(super) const VERDICTS: &str = include_str!("../../../../testfiles/torture/verdicts.tsv");

macro_rules! corpus {
    ($folder:literal: $($name:literal)*) => { &[$(($name, include_bytes!(concat!("../../../../testfiles/", $folder, "/", $name)).as_slice())),*] };
}

/// Messages of RFC 4475.
pub(super) const TORTURE: &[(&str, &[u8])] = corpus!("torture/rfc4475":
    "badaspec.dat" "badbranch.dat" "baddate.dat" "baddn.dat" "badinv01.dat" "badvers.dat" "bcast.dat" "bext01.dat" "bigcode.dat"
    "clerr.dat" "cparam01.dat" "cparam02.dat" "dblreq.dat" "esc01.dat" "esc02.dat" "escnull.dat" "escruri.dat" "insuf.dat"
    "intmeth.dat" "inv2543.dat" "invut.dat" "longreq.dat" "ltgtruri.dat" "lwsdisp.dat" "lwsruri.dat" "lwsstart.dat" "mcl01.dat"
    "mismatch01.dat" "mismatch02.dat" "mpart01.dat" "multi01.dat" "ncl.dat" "noreason.dat" "novelsc.dat" "quotbal.dat"
    "regaut01.dat" "regbadct.dat" "regescrt.dat" "scalar02.dat" "scalarlg.dat" "sdp01.dat" "semiuri.dat" "transports.dat"
    "trws.dat" "unkscm.dat" "unksm2.dat" "unreason.dat" "wsinv.dat" "zeromf.dat"
);

/// Messages of phones, all of them valid.
pub(super) const PHONES: &[(&str, &[u8])] = corpus!("messages":
    "answer.sip" "bye.sip" "invite-authorized.sip" "invite-replaces-compact.sip" "invite.sip" "moved.sip" "options-folded.sip"
    "refer.sip" "register-unbind.sip" "register.sip" "ringing.sip" "subscribe.sip" "unauthorized.sip"
);
