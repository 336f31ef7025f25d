//! Typed reads from a JSON object that can say where they stand.
//!
//! ```text
//!   object.array("users")?.each(|item| …) ──► "users[2].secret must be a string"
//! ```
//! Shape:  a borrowed view of a map and the path that led to it.
//! Errors: [`JsonError::BadJson`] for bytes that are not JSON, [`JsonError::BadField`] for all else.
//! Not here: what a field means.
//! Source: RFC 8259. Nesting is bounded by `serde_json` (128), size by the body limit of `wire`.

use std::fmt::Display;

use super::{Map, Value};

/// Why a body was refused: 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    BadJson(String),
    /// A field is missing, of the wrong type, or has a value that cannot be. The text names it.
    #[error("{0}")]
    BadField(String),
}

impl JsonError {
    /// A field at `path` that breaks a rule: `must be a string`.
    pub fn field(path: impl Display, rule: impl Display) -> Self {
        Self::BadField(format!("{path} {rule}"))
    }

    /// Stable code, the `error` of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadJson(_) => "bad_json",
            Self::BadField(_) => "bad_field",
        }
    }
}

/// The value in a body. An empty one, or only white space, is `{}`.
///
/// # Errors
/// [`JsonError::BadJson`].
pub fn parse(body: &[u8]) -> Result<Value<'_>, JsonError> {
    // Curl users on some systems send a byte order mark; RFC 8259 §8.1 lets a parser ignore it.
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Ok(Value::Object(Map::default()));
    }
    // Told to be UTF-8 as a whole, by many bytes at once. What is not is read all the same, for the place of the fault.
    let value = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    value.map_err(|error| JsonError::BadJson(error.to_string()))
}

/// A JSON object and where it stands in the body.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    map: &'a Map<'a>,
    path: String,
}

impl<'a> Object<'a> {
    /// The object that the whole body must be.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is none.
    pub fn root(value: &'a Value<'a>) -> Result<Self, JsonError> {
        Self::at(value, String::new())
    }

    /// The object that `value` at `path` must be.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is none.
    pub fn at(value: &'a Value<'a>, path: String) -> Result<Self, JsonError> {
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ if path.is_empty() => Err(JsonError::field("the body", "must be an object")),
            _ => Err(JsonError::field(path, "must be an object")),
        }
    }

    /// Full name of `key`.
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// An error about `key`.
    pub fn error(&self, key: &str, rule: impl Display) -> JsonError {
        JsonError::field(self.path(key), rule)
    }

    /// The value of `key`; `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// All keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> {
        self.map.iter()
    }

    /// The value of `key`, which must be there.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is absent.
    pub fn required(&self, key: &str) -> Result<&'a Value<'a>, JsonError> {
        self.get(key).ok_or_else(|| self.error(key, "is missing"))
    }

    /// A string, if there.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is something else.
    pub fn string(&self, key: &str) -> Result<Option<&'a str>, JsonError> {
        self.get(key).map(|value| value.as_str().ok_or_else(|| self.error(key, "must be a string"))).transpose()
    }

    /// A string that must be there and hold something.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is absent, empty or something else.
    pub fn required_string(&self, key: &str) -> Result<&'a str, JsonError> {
        self.required(key)?;
        self.string(key)?.filter(|text| !text.is_empty()).ok_or_else(|| self.error(key, "must not be empty"))
    }

    /// A boolean, if there.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is something else.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, JsonError> {
        self.get(key).map(|value| value.as_bool().ok_or_else(|| self.error(key, "must be true or false"))).transpose()
    }

    /// A whole number from `low` to `high`, if there.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is something else or outside.
    pub fn number<N: TryFrom<u64> + Display + PartialOrd + Copy>(&self, key: &str, low: N, high: N) -> Result<Option<N>, JsonError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        // 70.0 is the same JSON number as 70 for many writers.
        let whole = value.as_u64().or_else(|| {
            let float = value.as_f64()?;
            ((0.0..=9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0).then_some(float as u64)
        });
        let inside = whole.and_then(|whole| N::try_from(whole).ok()).filter(|number| low <= *number && *number <= high);
        inside.map(Some).ok_or_else(|| self.error(key, format_args!("must be a whole number from {low} to {high}")))
    }

    /// An object, if there.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is something else.
    pub fn object(&self, key: &str) -> Result<Option<Object<'a>>, JsonError> {
        self.get(key).map(|value| Object::at(value, self.path(key))).transpose()
    }

    /// The items of an array with the path of each, if there.
    ///
    /// # Errors
    /// [`JsonError::BadField`] when it is something else.
    pub fn array(&self, key: &str) -> Result<Option<impl ExactSizeIterator<Item = (String, &'a Value<'a>)>>, JsonError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let path = self.path(key);
        let items = value.as_array().ok_or_else(|| self.error(key, "must be an array"))?;
        Ok(Some(items.iter().enumerate().map(move |(index, item)| (format!("{path}[{index}]"), item))))
    }
}
