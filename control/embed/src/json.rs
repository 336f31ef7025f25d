//! JSON texts as JavaScript values, quicker than `JSON.parse`, which goes through the scanner of the language.
//!
//! ```text
//!   text ─► read ─► the value `JSON.parse` would give, or nothing ─► then `JSON.parse` reads it, and says what is wrong with it
//! ```
//! Shape:  at most [`DEPTH_MAX`] deep; one pass, values made as they are met.
//! Errors: those of QuickJS (no memory). What is no JSON, and what is rare, gives `None`: exponents, escapes but `\"`, `\\`, `\/`,
//!         `\n`, `\r` and `\t`, escapes in keys, the key `__proto__`, `-0`, and deeper nesting.
//! Source: RFC 8259 (JSON); of a repeated key the last counts, as in ECMAScript.

use rquickjs::{Array, Ctx, Object, Value};

use crate::pick::harmless;

/// The value of `text`; `None` where `JSON.parse` has to read it.
///
/// # Errors
/// No memory is left.
pub fn read<'js>(ctx: &Ctx<'js>, text: &str) -> rquickjs::Result<Option<Value<'js>>> {
    let mut reader = Reader { ctx, text, bytes: text.as_bytes(), at: 0, depth: 0 };
    let value = reader.value();
    reader.blank();
    match value {
        Ok(value) => Ok((reader.at == text.len()).then_some(value)),
        Err(Stop::Doubt) => Ok(None),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why reading ends early.
enum Stop {
    /// Another reader decides.
    Doubt,
    /// QuickJS cannot make a value.
    Failed(rquickjs::Error),
}

impl From<rquickjs::Error> for Stop {
    fn from(error: rquickjs::Error) -> Self {
        Self::Failed(error)
    }
}

struct Reader<'a, 'js> {
    ctx: &'a Ctx<'js>,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a, 'js> Reader<'a, 'js> {
    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Doubt)
    }

    fn blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is no blank, passed.
    fn take(&mut self) -> Result<u8, Stop> {
        self.blank();
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn value(&mut self) -> Result<Value<'js>, Stop> {
        match self.take()? {
            b'"' => Ok(match self.string()? {
                Text::Plain(text) => rquickjs::String::from_str(self.ctx.clone(), text)?,
                Text::Escaped(text) => rquickjs::String::from_str(self.ctx.clone(), &text)?,
            }
            .into_value()),
            b'{' => self.within(Self::object),
            b'[' => self.within(Self::list),
            b't' => self.word("rue", |ctx| Value::new_bool(ctx, true)),
            b'f' => self.word("alse", |ctx| Value::new_bool(ctx, false)),
            b'n' => self.word("ull", Value::new_null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(Stop::Doubt),
        }
    }

    fn within(&mut self, read: fn(&mut Self) -> Result<Value<'js>, Stop>) -> Result<Value<'js>, Stop> {
        if self.depth == DEPTH_MAX {
            return Err(Stop::Doubt);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value<'js>, Stop> {
        let object = Object::new(self.ctx.clone())?;
        self.blank();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(object.into_value());
        }
        loop {
            if self.take()? != b'"' {
                return Err(Stop::Doubt);
            }
            let Text::Plain(key) = self.string()? else { return Err(Stop::Doubt) };
            if key == "__proto__" || self.take()? != b':' {
                return Err(Stop::Doubt);
            }
            let value = self.value()?;
            object.set(key, value)?;
            match self.take()? {
                b',' => {}
                b'}' => return Ok(object.into_value()),
                _ => return Err(Stop::Doubt),
            }
        }
    }

    fn list(&mut self) -> Result<Value<'js>, Stop> {
        let list = Array::new(self.ctx.clone())?;
        self.blank();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(list.into_value());
        }
        for place in 0.. {
            let value = self.value()?;
            list.set(place, value)?;
            match self.take()? {
                b',' => {}
                b']' => return Ok(list.into_value()),
                _ => return Err(Stop::Doubt),
            }
        }
        Err(Stop::Doubt)
    }

    fn word(&mut self, rest: &str, make: impl FnOnce(Ctx<'js>) -> Value<'js>) -> Result<Value<'js>, Stop> {
        let end = self.at + rest.len();
        if self.bytes.get(self.at..end) != Some(rest.as_bytes()) {
            return Err(Stop::Doubt);
        }
        self.at = end;
        Ok(make(self.ctx.clone()))
    }

    /// A number whose first character has been passed.
    fn number(&mut self) -> Result<Value<'js>, Stop> {
        let begun = self.at - 1;
        let mut whole = 0_u64;
        self.at = begun;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - begun;
        let is_more = matches!(self.bytes.get(self.at), Some(b'-' | b'+' | b'.' | b'e' | b'E'));
        let is_odd = digits > 1 && self.bytes.get(begun) == Some(&b'0');
        // Fifteen digits are exact in a double.
        if !is_more && !is_odd && (1..=15).contains(&digits) {
            return Ok(Value::new_number(self.ctx.clone(), whole as f64));
        }
        // The rest is rare: signs and fractions, in the form that JSON allows, which is narrower than Rust's.
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = self.text.get(begun..self.at).ok_or(Stop::Doubt)?;
        let (sign, size) = text.strip_prefix('-').map_or(("", text), |size| ("-", size));
        let (whole, fraction) = size.split_once('.').unwrap_or((size, "0"));
        let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_led = whole.len() > 1 && whole.starts_with('0');
        if !is_plain(whole) || !is_plain(fraction) || is_led || (!sign.is_empty() && size.bytes().all(|byte| b"0.".contains(&byte))) {
            return Err(Stop::Doubt);
        }
        text.parse().map(|number| Value::new_number(self.ctx.clone(), number)).map_err(|_| Stop::Doubt)
    }

    /// A string whose first quote has been passed.
    fn string(&mut self) -> Result<Text<'a>, Stop> {
        let begun = self.at;
        let mut escaped: Option<String> = None;
        let mut kept = begun;
        loop {
            self.at += harmless(self.bytes.get(self.at..).ok_or(Stop::Doubt)?);
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    let so_far = self.text.get(kept..self.at).ok_or(Stop::Doubt)?;
                    let stands_for = match self.bytes.get(self.at + 1) {
                        Some(&same @ (b'"' | b'\\' | b'/')) => char::from(same),
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        _ => return Err(Stop::Doubt),
                    };
                    let text = escaped.get_or_insert_default();
                    text.push_str(so_far);
                    text.push(stands_for);
                    self.at += 2;
                    kept = self.at;
                }
                0..=0x1F => return Err(Stop::Doubt),
                _ => self.at += 1,
            }
        }
        let last = self.text.get(kept..self.at).ok_or(Stop::Doubt)?;
        self.at += 1;
        Ok(match escaped {
            None => Text::Plain(last),
            Some(mut text) => {
                text.push_str(last);
                Text::Escaped(text)
            }
        })
    }
}

enum Text<'a> {
    Plain(&'a str),
    Escaped(String),
}

/// A snapshot is five deep.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use rquickjs::{Context, Runtime};

    /// What `read` makes of a text, written as JSON again by QuickJS, beside what `JSON.parse` makes of it.
    fn both(text: &str) -> (Option<String>, Option<String>) {
        let context = Context::full(&Runtime::new().unwrap()).unwrap();
        context.with(|ctx| {
            let written = |value| ctx.json_stringify(value).unwrap().map(|text| text.to_string().unwrap());
            let ours = super::read(&ctx, text).unwrap().and_then(written);
            let theirs = ctx.json_parse(text);
            if theirs.is_err() {
                ctx.catch();
            }
            (ours, theirs.ok().and_then(written))
        })
    }

    #[test]
    fn a_text_is_read_as_json_parse_reads_it() {
        for text in [
            r#" {"a" : [1, 2.5,-3, 0 ,123456789012345, 12345678901234567890], "b":{"0":"x","101":{}},"c":null,"d":true,"e":false} "#,
            r#"{"say":"\"Bob\" <sip:x\\y\/z>\n\r\t","ü":"grüße","a":1,"a":2,"":[]}"#,
            "[]",
            "0",
            "-0.5",
            "\"\"",
        ] {
            let (ours, theirs) = both(text);
            assert!(ours.is_some(), "{text}");
            assert_eq!(ours, theirs, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_or_rare_is_left_to_json_parse() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        for text in [
            "",
            "{",
            "{\"a\"",
            "{\"a\":}",
            "{a:1}",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "-0",
            "tru",
            "nul",
            "\"\\u0041\"",
            "\"\\x\"",
            "\"a\nb\"",
            "1 2",
            "{\"__proto__\":{}}",
            "'a'",
            "[1 2]",
            "--1",
            "1..2",
            "1e3",
            "-.1",
            &deep,
        ] {
            assert_eq!(both(text).0, None, "{text}");
        }
    }

    #[test]
    fn every_beginning_of_a_text_is_refused_without_a_panic() {
        let text = r#"{"a":"grüße","b":{"c":[1,2.5,{"d":"\\"}]},"e":12345678901234567890}"#;
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert_eq!(both(&text[..end]).0, None);
        }
        assert!(both(text).0.is_some());
    }
}
