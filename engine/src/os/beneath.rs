//! Opens files below a directory, whatever links and `..` say.
//!
//! Shape:  the kernel resolves each step and refuses the one that would leave: no check that a rename could slip past.
//! Errors: `EXDEV` for a path that leaves, `ENOSYS` before Linux 5.6 (we need 6.1), and those of `openat(2)`.
//! Source: openat2(2), renameat(2), unlinkat(2).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

/// Opens `path` below `directory` with the flags and the mode of `open(2)`.
///
/// # Errors
/// `EXDEV` where the path leads out; those of `openat2(2)`.
pub fn open(directory: &File, path: &str, flags: i32, mode: u32) -> io::Result<File> {
    let path = name(path)?;
    // SAFETY: all zero is a valid open_how.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC).cast_unsigned());
    how.mode = u64::from(mode);
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: path and how live on this stack, and the size is that of how.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, directory.as_raw_fd(), path.as_ptr(), &raw const how, size_of_val(&how)) };
    let fd = i32::try_from(fd).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it to us, and to nobody else.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Gives a file of `directory` another name there, in place of what has it now. Names without a slash.
///
/// # Errors
/// Those of `renameat(2)`.
pub fn rename(directory: &File, from: &str, to: &str) -> io::Result<()> {
    let (from, to, fd) = (name(from)?, name(to)?, directory.as_raw_fd());
    // SAFETY: both names live on this stack.
    if unsafe { libc::renameat(fd, from.as_ptr(), fd, to.as_ptr()) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Removes a file of `directory`. A name without a slash.
///
/// # Errors
/// Those of `unlinkat(2)`.
pub fn remove(directory: &File, path: &str) -> io::Result<()> {
    let path = name(path)?;
    // SAFETY: the name lives on this stack.
    if unsafe { libc::unlinkat(directory.as_raw_fd(), path.as_ptr(), 0) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn name(path: &str) -> io::Result<CString> {
    CString::new(path).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}
