//! The media directory, which no name leaves.
//!
//! Shape:  names are relative paths of ordinary parts; the kernel resolves them step by step and refuses a link that leads out.
//! Errors: [`FileError::Outside`], or what the system says.
//! Source: openat2(2), `RESOLVE_BENEATH`.

use std::fs::File;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use super::FileError;
use crate::os::beneath;

/// The directory.
#[derive(Debug)]
pub struct Root(File);

/// A directory below the root, and the name of a file in it.
#[derive(Debug)]
pub struct Place {
    /// The directory.
    pub directory: File,
    /// Name of the file, one part.
    pub file: String,
}

impl Root {
    /// Opens it.
    ///
    /// # Errors
    /// It is not there, or no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() { Ok(Self(file)) } else { Err(io::Error::from(io::ErrorKind::NotADirectory)) }
    }

    /// Opens a file to read it. Only ordinary files: a pipe would never end.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(&self, name: &Arc<str>) -> Result<File, FileError> {
        check(name)?;
        // Non-blocking, for opening a pipe would wait for its writer; it means nothing to an ordinary file.
        let file = beneath::open(&self.0, name, libc::O_RDONLY | libc::O_NONBLOCK, 0).map_err(|error| FileError::system(name, &error))?;
        let metadata = file.metadata().map_err(|error| FileError::system(name, &error))?;
        if metadata.is_file() {
            return Ok(file);
        }
        Err(FileError::System { name: Arc::clone(name), detail: "is no ordinary file".into(), passing: false })
    }

    /// Where a file to be written lies. Its directory must be there.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn place(&self, name: &Arc<str>) -> Result<Place, FileError> {
        check(name)?;
        let (directory, file) = name.rsplit_once('/').unwrap_or((".", name));
        // As a part of the temporary name it must stay below what file systems allow, 255 bytes.
        if file.len() > FILE_NAME_MAX {
            return Err(FileError::System { name: Arc::clone(name), detail: "the file name is too long".into(), passing: false });
        }
        let opened = beneath::open(&self.0, directory, libc::O_RDONLY | libc::O_DIRECTORY, 0);
        let directory = opened.map_err(|error| FileError::system(name, &error))?;
        Ok(Place { directory, file: file.to_owned() })
    }
}

/// Refuses what is not a plain relative path to a file, before the kernel is asked.
fn check(name: &Arc<str>) -> Result<(), FileError> {
    let path = Path::new(&**name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if plain && path.file_name().is_some() && !name.ends_with('/') { Ok(()) } else { Err(FileError::Outside(Arc::clone(name))) }
}

/// 255 less what the temporary name adds.
const FILE_NAME_MAX: usize = 200;
