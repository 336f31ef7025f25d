//! The files of `/proc` and `/sys`, under a root that a test can choose.
//!
//! Shape:  [`Host`] reads text without the white space at both ends, or the first number of it.
//! Errors: `None` for what is not there or cannot be read.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the kernel tells about itself.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// This host.
    pub fn this() -> Self {
        Self::under("/")
    }

    /// A host whose `/proc` and `/sys` lie under another directory.
    pub fn under(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned() }
    }

    /// Whether this is the host we run on, so that sockets and rings may be tried too.
    pub fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Text of a file.
    pub fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    /// First word of a file, as a number.
    pub fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.split_whitespace().next()?.parse().ok()
    }

    /// All words of a file, as numbers.
    pub fn numbers(&self, path: &str) -> Option<Vec<u64>> {
        self.text(path)?.split_whitespace().map(|word| word.parse().ok()).collect()
    }

    /// Names in a directory, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Whether there is such a file or directory.
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}
