//! What a channel plays, records and sends: sound soups, recordings, digits.
//!
//! ```text
//!   {"loop","files":[{"wav","start","stop","loop"}],"interrupt"} ──► Soup
//!   {"file","format","numchannels",…} ──► Record         {"digits","duration","gap"} ──► Dtmf
//! ```
//! Shape:  `loop` is `true` for ever, `false` once, or a count of plays beside the first, in a soup and in a file.
//! Units:  milliseconds; power is RMS of 16-bit samples.
//! Errors: [`JsonError::BadField`] with the path of the key, `files[2].loop`.
//! Not here: whether a file is there (`engine`).
//! Source: `docs/openapi.yaml`, `Soup`, `Record`, `Dtmf`.

use rtp::api::{
    AVERAGE_FRAMES, DIGITS_MAX, Dtmf, Entry, FileKey, Names, Record, RecordChannels, RecordFormat, Repeat, Soup, event_of_digit,
};
use rtp::soup::{ENTRIES_MAX, NAME_MAX};

use super::{JsonError, Object, Value};

/// Reads `PUT /channel/{uuid}/play`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn soup(body: &Object<'_>) -> Result<Soup, JsonError> {
    let items = body.array("files")?.ok_or_else(|| body.error("files", "is missing"))?;
    if items.len() == 0 || items.len() > ENTRIES_MAX {
        return Err(body.error("files", format_args!("must be 1 to {ENTRIES_MAX}")));
    }
    let entries = items.map(|(path, item)| entry(&Object::at(item, path)?)).collect::<Result<_, _>>()?;
    // Call scripts in the field spell it both ways.
    let interrupt = body.boolean("interrupt")?.or(body.boolean("interupt")?).unwrap_or(false);
    Ok(Soup { repeat: repeat(body)?, entries, interrupt, failure: None })
}

fn entry(item: &Object<'_>) -> Result<Entry, JsonError> {
    let mut names = Names::default();
    for key in FileKey::ALL {
        if item.get(key.key()).is_some() {
            names.set(key, file_name(item, key.key())?.into());
        }
    }
    if names.is_empty() {
        return Err(item.error("wav", "is missing, and so is every other encoding"));
    }
    let (start_ms, stop_ms) = (item.number("start", 0, u32::MAX)?, item.number("stop", 0, u32::MAX)?);
    if let (Some(start), Some(stop)) = (start_ms, stop_ms)
        && start >= stop
    {
        return Err(item.error("stop", "must be behind start"));
    }
    Ok(Entry { names, start_ms, stop_ms, repeat: repeat(item)?, sound: None })
}

fn repeat(object: &Object<'_>) -> Result<Repeat, JsonError> {
    Ok(match object.get("loop") {
        None | Some(Value::Bool(false)) => Repeat::Times(0),
        Some(Value::Bool(true)) => Repeat::Forever,
        Some(_) => match object.number("loop", 0, u32::MAX) {
            Ok(times) => Repeat::Times(times.unwrap_or(0)),
            Err(_) => return Err(object.error("loop", "must be true, false, or how often it is played again")),
        },
    })
}

/// A name of a file; what it may lead to is checked where it is opened.
fn file_name<'a>(object: &Object<'a>, key: &str) -> Result<&'a str, JsonError> {
    let name = object.required_string(key)?;
    if name.len() > NAME_MAX || name.contains('\0') {
        return Err(object.error(key, format_args!("must be a file name of at most {NAME_MAX} bytes")));
    }
    Ok(name)
}

/// Reads `PUT /channel/{uuid}/record`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn record(body: &Object<'_>) -> Result<Record, JsonError> {
    let format = match body.string("format")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("pcm16" | "l16" | "wav") => RecordFormat::Pcm16,
        Some("pcma") => RecordFormat::Pcma,
        Some("pcmu") => RecordFormat::Pcmu,
        Some("wire") => RecordFormat::Wire,
        Some(_) => return Err(body.error("format", "must be pcm16, pcma, pcmu or wire")),
    };
    let channels = match body.number("numchannels", 1, 2)? {
        Some(2) => RecordChannels::Stereo,
        Some(_) | None => RecordChannels::Mono,
    };
    let (min_ms, max_ms) = (body.number("minduration", 0, u32::MAX)?.unwrap_or(0), body.number("maxduration", 1, u32::MAX)?);
    if max_ms.is_some_and(|max| max < min_ms) {
        return Err(body.error("maxduration", "must not be below minduration"));
    }
    Ok(Record {
        file: file_name(body, "file")?.into(),
        format,
        channels,
        start_above_power: body.number("startabovepower", 0, POWER_MAX)?,
        finish_below_power: body.number("finishbelowpower", 0, POWER_MAX)?,
        average_frames: body.number("poweraveragepackets", 1, 1000)?.unwrap_or(AVERAGE_FRAMES),
        min_ms,
        max_ms,
        pause: body.boolean("pause")?,
        finish: body.boolean("finish")?.unwrap_or(false),
        sink: None,
    })
}

/// Reads `PUT /channel/{uuid}/dtmf`.
///
/// # Errors
/// [`JsonError::BadField`].
pub fn dtmf(body: &Object<'_>) -> Result<Dtmf, JsonError> {
    let inband = body.boolean("inband")?;
    // Without digits only what is listened for changes.
    let text = if inband.is_some() { body.string("digits")?.unwrap_or_default() } else { body.required_string("digits")? };
    let digits: Option<Vec<u8>> = text.chars().map(event_of_digit).collect();
    match digits {
        Some(digits) if digits.len() <= DIGITS_MAX => Ok(Dtmf {
            digits,
            duration_ms: body.number("duration", DIGIT_MS_LEAST, DIGIT_MS_MOST)?.unwrap_or(DIGIT_MS),
            gap_ms: body.number("gap", DIGIT_MS_LEAST, DIGIT_MS_MOST)?.unwrap_or(GAP_MS),
            inband,
        }),
        _ => Err(body.error("digits", format_args!("must be at most {DIGITS_MAX} of 0-9 * # A-D and ! for flash"))),
    }
}

/// Largest sample.
const POWER_MAX: u16 = 32_767;
/// ITU-T Q.24: receivers need 40 ms of tone, and 40 ms between tones.
const DIGIT_MS_LEAST: u16 = 40;
/// A digit longer than this is a fault, not a digit.
const DIGIT_MS_MOST: u16 = 6000;
/// Unless said: long enough for every receiver.
const DIGIT_MS: u16 = 200;
const GAP_MS: u16 = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T>(value: &serde_json::Value, reader: impl Fn(&Object<'_>) -> Result<T, JsonError>) -> Result<T, String> {
        reader(&Object::root(&value.into()).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_soup_is_read() {
        let body = json!({"loop": true, "files": [{"wav": "youare.wav"}, {"wav": "ordinals.wav", "start": 3000, "stop": 4500, "loop": 6}]});
        let soup = read(&body, soup).unwrap();
        assert_eq!((soup.repeat, soup.interrupt, soup.entries.len()), (Repeat::Forever, false, 2));
        let Entry { start_ms, stop_ms, repeat, .. } = &soup.entries[1];
        assert_eq!((*start_ms, *stop_ms, *repeat), (Some(3000), Some(4500), Repeat::Times(6)));
        assert_eq!(soup.entries[0].names.get(FileKey::Wav).map(|n| &**n), Some("youare.wav"));
    }

    #[test]
    fn loops_are_counts_or_words_wherever_they_stand() {
        let of =
            |value: serde_json::Value| read(&json!({"files": [{"g722": "a", "loop": value}]}), soup).map(|soup| soup.entries[0].repeat);
        assert_eq!(of(json!(true)), Ok(Repeat::Forever));
        assert_eq!(of(json!(false)), Ok(Repeat::Times(0)));
        assert_eq!(of(json!(3)), Ok(Repeat::Times(3)));
        assert_eq!(of(json!("x")), Err("files[0].loop must be true, false, or how often it is played again".into()));
        assert!(of(json!(-1)).is_err());
        for key in ["interrupt", "interupt"] {
            assert!(read(&json!({"files": [{"wav": "a"}], key: true}), soup).unwrap().interrupt);
        }
    }

    #[test]
    fn a_bad_soup_is_refused_by_name() {
        for (body, detail) in [
            (json!({}), "files is missing"),
            (json!({"files": []}), "files must be 1 to 128"),
            (json!({"files": [{}]}), "files[0].wav is missing, and so is every other encoding"),
            (json!({"files": ["a.wav"]}), "files[0] must be an object"),
            (json!({"files": [{"wav": 1}]}), "files[0].wav must be a string"),
            (json!({"files": [{"wav": "a\u{0}"}]}), "files[0].wav must be a file name of at most 1024 bytes"),
            (json!({"files": [{"wav": "a", "start": 5, "stop": 5}]}), "files[0].stop must be behind start"),
        ] {
            assert_eq!(read(&body, soup).unwrap_err(), detail);
        }
    }

    #[test]
    fn recordings_have_their_defaults_and_limits() {
        assert_eq!(read(&json!({"file": "a.wav"}), record), Ok(Record::new("a.wav")));
        let body = json!({"file": "a", "format": "PCMA", "numchannels": 2, "startabovepower": 250, "finishbelowpower": 200,
            "minduration": 2000, "maxduration": 15000, "poweraveragepackets": 10, "pause": true});
        let expected = Record {
            format: RecordFormat::Pcma,
            channels: RecordChannels::Stereo,
            start_above_power: Some(250),
            finish_below_power: Some(200),
            average_frames: 10,
            min_ms: 2000,
            max_ms: Some(15_000),
            pause: Some(true),
            ..Record::new("a")
        };
        assert_eq!(read(&body, record), Ok(expected));
        for (body, detail) in [
            (json!({}), "file is missing"),
            (json!({"file": "a", "format": "mp3"}), "format must be pcm16, pcma, pcmu or wire"),
            (json!({"file": "a", "numchannels": 3}), "numchannels must be a whole number from 1 to 2"),
            (json!({"file": "a", "minduration": 5, "maxduration": 4}), "maxduration must not be below minduration"),
        ] {
            assert_eq!(read(&body, record).unwrap_err(), detail);
        }
    }

    #[test]
    fn digits_are_events() {
        let sent = read(&json!({"digits": "19*#aD!"}), dtmf).unwrap();
        assert_eq!(sent, Dtmf { digits: vec![1, 9, 10, 11, 12, 15, 16], duration_ms: 200, gap_ms: 200, inband: None });
        assert!(read(&json!({"digits": "1x"}), dtmf).unwrap_err().starts_with("digits must be"));
        assert!(read(&json!({"digits": "1".repeat(65)}), dtmf).is_err());
        assert_eq!(read(&json!({"digits": "1", "duration": 10}), dtmf).unwrap_err(), "duration must be a whole number from 40 to 6000");
    }
}
