//! Text inside XML documents.
//! Shape:  a Display wrapper; characters that XML 1.0 cannot hold at all become a question mark.
//! Errors: none.
//! Source: XML 1.0 §2.2 (Char), §2.4 (escapes).

use std::fmt::{self, Display, Formatter, Write as _};

/// Text as element content or as a value in double quotes.
pub(super) struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => f.write_char('?')?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
