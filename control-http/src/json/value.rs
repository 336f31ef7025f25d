//! A JSON value as a body says it, its texts where they stand in the body.
//!
//! ```text
//!   bytes ─► serde_json, which says what is wrong ─► Value: texts borrowed, objects as lists in the order of their keys
//! ```
//! Shape:  a command has a dozen keys, and each is looked for once or twice: a list is compared through sooner than a key is copied,
//!         hashed and placed. Of more than [`FEW`] keys the order by name is kept beside it, so that nobody pays for a long body twice.
//! Errors: those of `serde_json`: every value is taken, as by its own type.
//! Rules:  of a repeated key the last value counts, at the place of the first.
//! Source: RFC 8259.

use std::borrow::Cow;
use std::fmt;

use serde_core::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// Any value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text; its own where it had escapes.
    String(Cow<'a, str>),
    /// A list.
    Array(Vec<Self>),
    /// An object.
    Object(Map<'a>),
}

/// The members of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map<'a> {
    /// In the order of the body, each key once.
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
    /// Places in `entries` by key, where there are more than [`FEW`].
    by_key: Option<Box<[u32]>>,
}

impl<'a> Value<'a> {
    /// Is it `null`?
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Is it a text?
    pub const fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    /// Is it a list?
    pub const fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// `true` or `false`, if it is that.
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(is) = self { Some(*is) } else { None }
    }

    /// A whole number that is not negative, if it is one.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number().and_then(Number::as_u64)
    }

    /// A whole number, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    /// A number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number().and_then(Number::as_f64)
    }

    /// A text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A list, if it is one.
    pub const fn as_array(&self) -> Option<&Vec<Self>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// An object, if it is one.
    pub const fn as_object(&self) -> Option<&Map<'a>> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// The member `key`, if it is an object that has one.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    const fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

impl<'a> Map<'a> {
    fn new(mut entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        if entries.len() <= FEW {
            return Self { entries, by_key: None };
        }
        // Bodies have at most 16 MiB, so that places fit.
        let mut places: Vec<u32> = (0..).take(entries.len()).collect();
        let key = |place: u32| entries.get(place as usize).map(|(key, _)| key);
        places.sort_by(|one, other| key(*one).cmp(&key(*other)).then(one.cmp(other)));
        let repeated: Vec<(u32, u32)> = places.windows(2).filter(|two| key(two[0]) == key(two[1])).map(|two| (two[0], two[1])).collect();
        if !repeated.is_empty() {
            // From the last to the first of the same key, each passes its value on.
            let mut gone = vec![false; entries.len()];
            for (before, after) in repeated.into_iter().rev() {
                let value = entries.get_mut(after as usize).map(|(_, value)| std::mem::replace(value, Value::Null));
                if let (Some(value), Some((_, place))) = (value, entries.get_mut(before as usize)) {
                    *place = value;
                }
                if let Some(gone) = gone.get_mut(after as usize) {
                    *gone = true;
                }
            }
            let mut gone = gone.into_iter();
            entries.retain(|_| gone.next() == Some(false));
            return Self::new(entries);
        }
        Self { entries, by_key: Some(places.into()) }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let place = match &self.by_key {
            None => return self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            Some(places) => {
                let found = places.binary_search_by(|place| self.entries.get(*place as usize).map(|(known, _)| &**known).cmp(&Some(key)));
                *places.get(found.ok()?)?
            }
        };
        self.entries.get(place as usize).map(|(_, value)| value)
    }

    /// Has it no members?
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys and values, in the order of the body.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whole)
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(is))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value<'de>, A::Error> {
        let mut entries: Vec<(Cow<'de, str>, Value<'de>)> = Vec::new();
        while let Some(Key(key)) = from.next_key()? {
            let value = from.next_value()?;
            // Of many, repeated ones are found by order.
            let known = if entries.len() < FEW { entries.iter_mut().find(|(known, _)| *known == key) } else { None };
            match known {
                Some((_, place)) => *place = value,
                None => entries.push((key, value)),
            }
        }
        Ok(Value::Object(Map::new(entries)))
    }
}

/// The key of a member.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Name)
    }
}

struct Name;

impl<'de> Visitor<'de> for Name {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(text)))
    }
}

/// Members that are sooner compared one by one.
const FEW: usize = 32;

#[cfg(test)]
impl<'a> From<&'a serde_json::Value> for Value<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(is) => Self::Bool(*is),
            serde_json::Value::Number(number) => Self::Number(number.clone()),
            serde_json::Value::String(text) => Self::String(Cow::Borrowed(text)),
            serde_json::Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => {
                Self::Object(Map::new(map.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), Self::from(value))).collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Value;

    /// What both readers make of a text; ours by way of theirs.
    fn both(text: &str) -> (Result<Value<'_>, String>, Result<serde_json::Value, String>) {
        let said = |error: serde_json::Error| error.to_string();
        (serde_json::from_slice(text.as_bytes()).map_err(said), serde_json::from_slice(text.as_bytes()).map_err(said))
    }

    fn is_the_same(text: &str) {
        let (ours, theirs) = both(text);
        assert_eq!(ours, theirs.as_ref().map(Value::from).map_err(Clone::clone), "{text}");
        if let (Ok(Value::Object(ours)), Ok(serde_json::Value::Object(theirs))) = (&ours, &theirs) {
            assert!(ours.iter().map(|(key, _)| key).eq(theirs.keys()), "{text}");
            assert!(theirs.iter().all(|(key, value)| ours.get(key) == Some(&Value::from(value))), "{text}");
            assert_eq!(ours.get("no such key"), None);
        }
    }

    #[test]
    fn every_text_is_read_and_refused_as_by_the_map_of_serde_json() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for text in [
            r#" {"a":[1,-2,3.5,1e300,18446744073709551615,-9223372036854775808,99999999999999999999],"b":{"c":null,"d":true},"e":"x\n\u00e9","ü":""} "#,
            r#"{"a":1,"b":2,"a":3,"\u0061":4}"#,
            "[]",
            "{}",
            "\"\"",
            "1e999",
            "",
            "{",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "[1,]",
            "nul",
            "\"\n\"",
            "\"\\x\"",
            "1 2",
            &deep,
        ] {
            is_the_same(text);
        }
        assert!(serde_json::from_slice::<Value<'_>>(b"\"\xFF\"").is_err());
    }

    proptest! {
        #[test]
        fn of_many_and_repeated_keys_the_last_counts_at_the_place_of_the_first(keys in proptest::collection::vec(0..60_u8, 0..120)) {
            let members: Vec<String> = keys.iter().enumerate().map(|(place, key)| format!("\"k{key}\":{place}")).collect();
            is_the_same(&format!("{{{}}}", members.join(",")));
        }
    }
}
