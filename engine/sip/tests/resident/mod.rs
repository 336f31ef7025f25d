//! What this process holds of memory, for tests that watch it for long.
//! Units:  bytes, whole pages of 4096. Linux only (`/proc/self/statm`, proc(5)).
//! Errors: panics where there is no such file.

/// Resident memory.
pub fn bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}
