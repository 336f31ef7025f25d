//! Resource limits of this process.
//!
//! Units:  descriptors for [`raise_nofile`], bytes for [`memlock`]; no limit reads as `u64::MAX`.
//! Errors: none that matter: an unreadable limit counts as none, a refused raise leaves what was.

/// Raises the soft limit of open descriptors to the hard one and returns what is in force.
pub fn raise_nofile() -> u64 {
    let mut limit = read(libc::RLIMIT_NOFILE);
    if limit.rlim_cur < limit.rlim_max {
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        // SAFETY: `wanted` is a complete rlimit on this stack, only read by the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) } == 0 {
            limit = wanted;
        }
    }
    limit.rlim_cur
}

/// The soft limit of open descriptors.
pub fn nofile() -> u64 {
    read(libc::RLIMIT_NOFILE).rlim_cur
}

/// The soft limit of locked memory.
pub fn memlock() -> u64 {
    read(libc::RLIMIT_MEMLOCK).rlim_cur
}

/// True with CAP_IPC_LOCK (capabilities(7)): the limit of locked memory does not count then.
pub fn may_lock_any() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|bits| bits & (1 << CAP_IPC_LOCK) != 0)
}

/// Kernel release, such as `6.18.44`.
pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

const CAP_IPC_LOCK: u32 = 14;

fn read(resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a complete rlimit on this stack that the call may overwrite.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    limit
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_raised_limit_is_the_hard_one() {
        let raised = super::raise_nofile();
        assert_eq!(raised, super::read(libc::RLIMIT_NOFILE).rlim_max);
    }
}
