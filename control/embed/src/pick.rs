//! Some fields of a JSON text, without an object for the rest of it.
//!
//! ```text
//!   "callid seq error.code m.0.port !refer" ─► Spec          Spec + text ─► one `Found` per field, in the order named
//! ```
//! Shape:  fields are paths of keys and places of lists; of an object or list the text itself is found. What is named with a `!` must
//!         not be there, and is no field.
//!         As deep as the longest path, whatever the text.
//! Errors: `None` for what is no JSON object, and for what a plain reader should see to: escapes in keys or in found texts, and what
//!         must not be there.
//!         The caller then reads the whole text with `JSON.parse`, which also says what is wrong with it.
//! Source: RFC 8259 (JSON); of a repeated key the last counts, as in ECMAScript.

/// Fields to look for.
#[derive(Debug)]
pub struct Spec {
    root: Level,
    /// How many fields there are.
    pub fields: usize,
}

/// The fields of one object or list that are asked for.
#[derive(Debug)]
struct Level {
    wants: Vec<Want>,
    /// By [`Level::place`]: the number after that of the first such field, 0 for none.
    first: [u8; PLACES],
}

#[derive(Debug)]
struct Want {
    name: Box<str>,
    /// The same as a place of a list.
    number: Option<usize>,
    slot: Option<usize>,
    barred: bool,
    inner: Level,
    /// As in `first`: the next one of the same place.
    next: u8,
}

impl Level {
    const fn new() -> Self {
        Self { wants: Vec::new(), first: [0; PLACES] }
    }

    fn place(key: &str) -> usize {
        let [first, .., last] = *key.as_bytes() else { return key.len() };
        (key.len() + usize::from(first) * 5 + usize::from(last) * 11) % PLACES
    }

    /// Without a slot it must not be there.
    fn plant(&mut self, path: &str, slot: Option<usize>) {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let known = self.wants.iter().position(|want| &*want.name == name);
        let at = known.unwrap_or_else(|| {
            let first = &mut self.first[Self::place(name)];
            self.wants.push(Want {
                name: name.into(),
                number: name.parse().ok(),
                slot: None,
                barred: false,
                inner: Self::new(),
                next: *first,
            });
            // A spec is ours; fields beyond the 255th of one level are not found, and are read whole.
            *first = u8::try_from(self.wants.len()).unwrap_or(*first);
            self.wants.len() - 1
        });
        let Some(want) = self.wants.get_mut(at) else { return };
        match rest {
            Some(rest) => want.inner.plant(rest, slot),
            None => (want.slot, want.barred) = (slot.or(want.slot), want.barred || slot.is_none()),
        }
    }

    /// The field of that name, if it is asked for.
    fn named(&self, key: &str) -> Option<&Want> {
        let mut number = *self.first.get(Self::place(key))?;
        loop {
            let want = self.wants.get(usize::from(number).checked_sub(1)?)?;
            if &*want.name == key {
                return Some(want);
            }
            number = want.next;
        }
    }
}

/// Which bytes `skip` looks at.
const TELLING: [bool; 256] = {
    let mut telling = [false; 256];
    let mut at = 0;
    let which = b"\"{}[]";
    while at < which.len() {
        telling[which[at] as usize] = true;
        at += 1;
    }
    telling
};

/// Nothing is asked for.
static NONE: Level = Level::new();
const PLACES: usize = 64;

/// What stands in one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found<'a> {
    /// The field is not there.
    Missing,
    /// `null`.
    Null,
    /// `true` or `false`.
    Truth(bool),
    /// A number.
    Number(f64),
    /// A string without its quotes.
    Text(&'a str),
    /// The text of an object or a list.
    Raw(&'a str),
}

impl Spec {
    /// Of paths with blanks between them.
    pub fn new(paths: &str) -> Self {
        let mut root = Level::new();
        let mut fields = 0;
        for path in paths.split_ascii_whitespace() {
            if let Some(barred) = path.strip_prefix('!') {
                root.plant(barred, None);
            } else {
                root.plant(path, Some(fields));
                fields += 1;
            }
        }
        Self { root, fields }
    }

    /// The fields of `text`.
    pub fn pick<'a>(&self, text: &'a str) -> Option<Vec<Found<'a>>> {
        let mut walk = Walk { text, bytes: text.as_bytes(), at: 0, found: vec![Found::Missing; self.fields] };
        walk.blank();
        if walk.peek()? != b'{' {
            return None;
        }
        walk.object(&self.root)?;
        walk.blank();
        (walk.at == text.len()).then_some(walk.found)
    }
}

/// How many bytes at least are neither a quote, nor a backslash, nor below a blank: by eights, as most strings are short.
pub fn harmless(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGH: u64 = ONES << 7;
    let mut at = 0;
    for eight in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*eight);
        // A byte of zero, or one below a blank, borrows into its highest bit; the lowest such bit is always right.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let below = word.wrapping_sub(ONES * 0x20) & !word;
        let hit = (zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5C)) | below) & HIGH;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    found: Vec<Found<'a>>,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// An object; `wants` are the fields of it that somebody asked for.
    fn object(&mut self, wants: &Level) -> Option<()> {
        self.expect(b'{')?;
        self.blank();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.blank();
            let (key, plain) = self.string()?;
            if !plain {
                return None;
            }
            self.blank();
            self.expect(b':')?;
            self.value(wants.named(key))?;
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn list(&mut self, wants: &Level) -> Option<()> {
        self.expect(b'[')?;
        self.blank();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        for place in 0_usize.. {
            let want = wants.wants.iter().find(|want| want.number == Some(place));
            self.value(want)?;
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }

    fn value(&mut self, want: Option<&Want>) -> Option<()> {
        self.blank();
        if want.is_some_and(|want| want.barred) {
            return None;
        }
        let begun = self.at;
        let inner = want.map_or(&NONE, |want| &want.inner);
        let slot = want.and_then(|want| want.slot);
        let found = match self.peek()? {
            b'"' => {
                let (text, plain) = self.string()?;
                if !plain && slot.is_some() {
                    return None;
                }
                Found::Text(text)
            }
            b'{' | b'[' if inner.wants.is_empty() => {
                self.skip()?;
                Found::Raw(self.text.get(begun..self.at)?)
            }
            b'{' => {
                self.object(inner)?;
                Found::Raw(self.text.get(begun..self.at)?)
            }
            b'[' => {
                self.list(inner)?;
                Found::Raw(self.text.get(begun..self.at)?)
            }
            b't' => self.word("true", Found::Truth(true))?,
            b'f' => self.word("false", Found::Truth(false))?,
            b'n' => self.word("null", Found::Null)?,
            _ => self.number(slot.is_some())?,
        };
        if let Some(place) = slot.and_then(|slot| self.found.get_mut(slot)) {
            *place = found;
        }
        Some(())
    }

    /// Past an object or a list in which nothing is asked for: only its brackets and strings are looked at. What else may be wrong
    /// in it is seen by whoever reads it.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_usize;
        let mut bytes = self.bytes.get(self.at..)?.iter();
        loop {
            match *bytes.find(|byte| TELLING[usize::from(**byte)])? {
                b'"' => loop {
                    match *bytes.next()? {
                        b'"' => break,
                        b'\\' => {
                            bytes.next()?;
                        }
                        _ => {}
                    }
                },
                b'{' | b'[' => open += 1,
                b'}' | b']' => {
                    open -= 1;
                    if open == 0 {
                        self.at = self.bytes.len() - bytes.len();
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &str, found: Found<'a>) -> Option<Found<'a>> {
        let end = self.at + word.len();
        (self.bytes.get(self.at..end)? == word.as_bytes()).then(|| self.at = end)?;
        Some(found)
    }

    fn number(&mut self, wanted: bool) -> Option<Found<'a>> {
        let begun = self.at;
        let mut whole = 0_u64;
        let mut simple = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'0'..=b'9' => whole = whole.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
                b'-' | b'+' | b'.' | b'e' | b'E' => simple = false,
                _ => break,
            }
            self.at += 1;
        }
        // Fifteen digits are exact in a double.
        let digits = self.at - begun;
        if simple && (1..=15).contains(&digits) {
            return Some(Found::Number(whole as f64));
        }
        let text = self.text.get(begun..self.at)?;
        if !wanted && !text.is_empty() && text != "-" {
            return Some(Found::Null);
        }
        text.parse().ok().map(Found::Number)
    }

    /// A string, and whether it stands for itself.
    fn string(&mut self) -> Option<(&'a str, bool)> {
        self.expect(b'"')?;
        let begun = self.at;
        let mut plain = true;
        loop {
            self.at += harmless(self.bytes.get(self.at..)?);
            match *self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    plain = false;
                    self.at += 2;
                }
                0..=0x1F => return None,
                _ => self.at += 1,
            }
        }
        let text = self.text.get(begun..self.at)?;
        self.at += 1;
        Some((text, plain))
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Spec};

    #[test]
    fn fields_are_found_by_path_in_the_order_named_and_the_last_of_a_repeated_key_counts() {
        let spec = Spec::new("seq a.b list.1.port list a ring none gone");
        let text = r#" {"ring":false, "a" : {"b":"x"}, "list":[{"port":1},{"port":-2.5e1}], "none":null, "seq":1, "seq":7} "#;
        let found = spec.pick(text).unwrap();
        let wanted = [
            Found::Number(7.0),
            Found::Text("x"),
            Found::Number(-25.0),
            Found::Raw(r#"[{"port":1},{"port":-2.5e1}]"#),
            Found::Raw(r#"{"b":"x"}"#),
            Found::Truth(false),
            Found::Null,
            Found::Missing,
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_no_object_or_has_escapes_where_it_matters_is_left_to_a_whole_reader() {
        let spec = Spec::new("a b.c");
        for text in [
            "",
            "[]",
            "1",
            "{",
            "{\"a\":1",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":}",
            "{\"a\":tru}",
            "{\"a\":\"\\n\"}",
            "{\"\\u0061\":1}",
            "{\"a\":\"\n\"}",
        ] {
            assert_eq!(spec.pick(text), None, "{text}");
        }
        assert!(spec.pick(r#"{"x":"\"","y":{"\u0061":"]}"},"a":"ä"}"#).is_some_and(|found| found[0] == Found::Text("ä")));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(spec.pick(&deep).is_some());
    }

    #[test]
    fn what_must_not_be_there_is_left_to_a_whole_reader_and_is_no_field() {
        let spec = Spec::new("a !refer !sdp.us b");
        assert_eq!(spec.fields, 2);
        let found = spec.pick(r#"{"b":2,"sdp":{"them":{}},"a":1}"#).unwrap();
        assert_eq!(found, [Found::Number(1.0), Found::Number(2.0)]);
        for text in [r#"{"a":1,"refer":null}"#, r#"{"refer":{"to":"1"},"b":2}"#, r#"{"sdp":{"us":{}}}"#] {
            assert_eq!(spec.pick(text), None, "{text}");
        }
    }

    #[test]
    fn every_beginning_of_a_text_is_refused_without_a_panic() {
        let text = r#"{"a":"grüße","b":{"c":[1,2,{"d":"\\"}]},"e":12345678901234567890}"#;
        let spec = Spec::new("a b.c b.c.2 e");
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert_eq!(spec.pick(&text[..end]), None);
        }
        assert!(spec.pick(text).is_some());
    }
}
