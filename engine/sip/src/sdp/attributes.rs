//! The `a=` lines of a session or a media section.
//!
//! Shape:  in the order of the text, names may repeat; a flag (`a=rtcp-mux`) has no value.
//!         The value is all that follows the first colon, so it may hold colons itself.
//! Case:   names are case-sensitive, as RFC 4566 §5.13 registers them.
//! Source: RFC 4566 §5.13.

/// One `a=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// What stands before the first colon.
    pub name: String,
    /// What follows it; `None` for a flag.
    pub value: Option<String>,
}

/// All `a=` lines of one section, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<Attribute>);

impl Attributes {
    /// Value of the first attribute of this name that has one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().filter(|a| a.name == name).find_map(|a| a.value.as_deref())
    }

    /// Values of all attributes of this name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |a| a.name == name).filter_map(|a| a.value.as_deref())
    }

    /// Whether the name occurs, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|a| a.name == name)
    }

    /// Adds a flag.
    pub fn push_flag(&mut self, name: &str) {
        self.0.push(Attribute { name: name.to_owned(), value: None });
    }

    /// Adds an attribute with a value.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push(Attribute { name: name.to_owned(), value: Some(value.into()) });
    }

    /// Takes away all attributes of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|a| a.name != name);
    }
}
