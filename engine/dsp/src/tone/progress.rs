//! Tones of the telephone network, as specs to be repeated.
//! Shape:  one set per country or region, each tone one period of its cadence.
//! Units:  as `super::Spec`; levels about -13 dBm0 in all.
//! Errors: none; a test parses every one.
//! Source: UK: BT SIN 350. US: precise tone plan, ANSI T1.401. EU: ETSI TR 101 041-2, CEPT T/CS 20-15. All: supplement 2 to ITU-T E.180.

/// The tones that a switch plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tones {
    /// The line waits for a number.
    pub dial: &'static str,
    /// The other side rings.
    pub ringing: &'static str,
    /// The other side is on the telephone.
    pub busy: &'static str,
    /// There is no way there at the moment.
    pub congestion: &'static str,
    /// There is no such number.
    pub unobtainable: &'static str,
    /// Before a recorded announcement: something is wrong with the number.
    pub special_information: &'static str,
    /// Somebody else calls.
    pub call_waiting: &'static str,
    /// Put money in.
    pub pay: &'static str,
}

/// United Kingdom.
pub const UK: Tones = Tones {
    dial: "350+440*0.3:1000",
    ringing: "400+450*0.3/0/400+450*0.3/0:400/200/400/2000",
    busy: "400*0.3/0:375/375",
    congestion: "400*0.2/0/400*0.4/0:400/350/225/525",
    unobtainable: "400*0.3:1000",
    special_information: "950*0.3/1400*0.3/1800*0.3/0:330/330/330/1000",
    call_waiting: "400*0.2/0:100/3000",
    pay: "400*0.3/0:125/125",
};

/// United States and Canada.
pub const US: Tones = Tones {
    dial: "350+440*0.3:1000",
    ringing: "440+480*0.3/0:2000/4000",
    busy: "480+620*0.3/0:500/500",
    congestion: "480+620*0.3/0:250/250",
    unobtainable: "480+620*0.3/0:250/250",
    special_information: "913.8*0.3/1370.6*0.3/1776.7*0.3/0:380/380/380/1000",
    call_waiting: "440*0.2/0:300/9700",
    pay: "480+620*0.3/0:250/250",
};

/// Most of Europe.
pub const EU: Tones = Tones {
    dial: "425*0.3:1000",
    ringing: "425*0.3/0:1000/4000",
    busy: "425*0.3/0:500/500",
    congestion: "425*0.3/0:200/200",
    unobtainable: "425*0.3/0:200/200",
    special_information: "950*0.3/1400*0.3/1800*0.3/0:330/330/330/1000",
    call_waiting: "425*0.2/0/425*0.2/0:200/600/200/9000",
    pay: "425*0.3/0:500/500",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Spec;

    #[test]
    fn every_tone_parses_and_lasts() {
        for set in [UK, US, EU] {
            let all =
                [set.dial, set.ringing, set.busy, set.congestion, set.unobtainable, set.special_information, set.call_waiting, set.pay];
            for text in all {
                let spec = Spec::parse(text).unwrap();
                assert!(spec.ms() >= 250 && !spec.sections()[0].tones_hz.is_empty(), "{text}");
            }
        }
    }
}
