//! Start-up and stop of a process, tried in child processes of this test: what a host that cannot run us is told, and that
//! every port is free again when a process has ended.
//!
//! A child is this same program, asked by the environment to play one test only.

#![allow(unsafe_code, clippy::unwrap_used)]

use engine::{
    ring::{MediaRing, Needs, PacketSize, Pools, PortPool, ProbeError, RingConfig, probe},
    settings::Program,
    shard::{self, Cores, Layout},
};
use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, UdpSocket},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const ROLE: &str = "MEDIASWITCH_TEST_CHILD";
const FIRST_PORT: u16 = 20_000;

/// A loopback address that no other process uses, so that several can run this at a time.
fn own_loopback() -> IpAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    IpAddr::from([127, a + 1, b, c])
}

/// This program, playing `role` in the test of that name.
fn child(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", role, "--nocapture", "--test-threads=1"]).env(ROLE, role).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn is_child(role: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|asked| asked == role)
}

/// What the probe says in a child that `restrict` has been applied to, and its exit status.
fn probed(channels: u32, restrict: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static) -> (String, Option<i32>) {
    let mut command = child("probing");
    command.env("CHANNELS", channels.to_string());
    // SAFETY: what the tests below pass makes system calls only, with arguments on its stack.
    unsafe { command.pre_exec(restrict) };
    let output = command.output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn probing() {
    if !is_child("probing") {
        return;
    }
    let channels = std::env::var("CHANNELS").unwrap().parse().unwrap();
    let status = match probe(Needs { shards: 2, media_shards: 1, channels }) {
        Ok(()) => 0,
        Err(error) => {
            write!(std::io::stderr(), "{error}").unwrap();
            ProbeError::STATUS.into()
        }
    };
    std::process::exit(status);
}

/// Makes `io_uring_setup` fail with `errno`, as a container's seccomp profile does (seccomp(2)).
fn refuse_io_uring(errno: i32) -> std::io::Result<()> {
    let code = |class: u32| class as u16;
    let mut filter = [
        libc::sock_filter { code: code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS), jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K), jt: 0, jf: 1, k: libc::SYS_io_uring_setup as u32 },
        libc::sock_filter { code: code(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | errno as u32 },
        libc::sock_filter { code: code(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the program and its filter live on this stack; the kernel copies them.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the limit lives on this stack and is only read.
    check(unsafe { libc::setrlimit(resource, &raw const limit) })
}

fn check(answer: i32) -> std::io::Result<()> {
    if answer < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim().to_owned()
}

#[test]
fn a_host_that_can_run_us_is_told_nothing() {
    assert_eq!(probed(100, || Ok(())), (String::new(), Some(0)));
}

#[test]
fn a_refused_io_uring_is_told_with_sysctl_and_seccomp() {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").map_or("0".to_owned(), |text| text.trim().to_owned());
    let expected = format!(
        "io_uring is not permitted here. Host: sysctl kernel.io_uring_disabled must be 0 (is {disabled}). \
         Container: its seccomp profile must allow io_uring_setup, io_uring_enter and io_uring_register."
    );
    assert_eq!(probed(100, || refuse_io_uring(libc::EPERM)), (expected, Some(78)));
}

#[test]
fn a_kernel_without_io_uring_or_with_an_old_one_is_told_the_version() {
    let expected = format!("this kernel has no io_uring; Linux 6.1 or newer is needed (is {}).", release());
    assert_eq!(probed(100, || refuse_io_uring(libc::ENOSYS)), (expected, Some(78)));
    let expected = format!("io_uring is too old for us: Linux 6.1 or newer is needed (is {}).", release());
    assert_eq!(probed(100, || refuse_io_uring(libc::EINVAL)), (expected, Some(78)));
}

#[test]
fn too_little_locked_memory_is_told_with_both_remedies() {
    let told = |kib: u64| {
        format!(
            "cannot lock memory: RLIMIT_MEMLOCK is {kib} KiB, 2 shards need 1127 KiB \
             (systemd: LimitMEMLOCK=64M; docker: --ulimit memlock=67108864)."
        )
    };
    // Root may lock any amount, so the right to is given up first; who has it not need not.
    let without_right = |kib: u64| {
        move || {
            // SAFETY: no pointers.
            let _ = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, 14, 0, 0, 0) };
            limit(libc::RLIMIT_MEMLOCK, kib << 10)
        }
    };
    // The kernel refuses the ring itself, and again for a second.
    let start = Instant::now();
    assert_eq!(probed(100, without_right(8)), (told(8), Some(78)));
    assert!(start.elapsed() >= Duration::from_secs(1));
    // The small ring of the probe fits, those of the shards would not.
    assert_eq!(probed(100, without_right(800)), (told(800), Some(78)));
    // An executor insists on 512 KiB, whoever asks.
    assert_eq!(probed(100, || limit(libc::RLIMIT_MEMLOCK, 256 << 10)), (told(256), Some(78)));
}

#[test]
fn too_few_descriptors_are_told_with_the_number_needed() {
    let expected = "RLIMIT_NOFILE is 2000; 1000 channels need 3088.".to_owned();
    assert_eq!(probed(1000, || limit(libc::RLIMIT_NOFILE, 2000)), (expected, Some(78)));
}

/// A media shard with 200 channels, as a process of its own: prints its ports, then waits for the signal to end.
#[test]
fn serving() {
    if !is_child("serving") {
        return;
    }
    shard::begin();
    let ip: IpAddr = std::env::var("RTP_ADDRESS").unwrap().parse().unwrap();
    let cpu = shard::allowed_cpus()[0];
    let layout = Layout::new(Program::Rtp, &Cores::List(vec![cpu]), &[cpu]).unwrap();
    let shards = shard::start(&layout, |_| {
        Box::new(move |context| {
            Box::pin(async move {
                let pool = PortPool::new(FIRST_PORT..=FIRST_PORT + 399, 0, 1, Duration::ZERO);
                let mut ring = MediaRing::new(RingConfig::for_channels(200), Pools::new([ip], &pool))?;
                for _ in 0..200 {
                    ring.open(ip, PacketSize::Small, Instant::now())?;
                }
                ring.slot(Instant::now()).finish();
                context.ready();
                context.stop.wait().await;
                Ok(())
            })
        })
    })
    .unwrap();
    writeln!(std::io::stderr(), "serving").unwrap();
    std::process::exit(shards.run_until_signal(Duration::ZERO));
}

#[test]
fn a_stopped_process_leaves_every_port_to_the_next() {
    let ip = own_loopback();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGTERM] {
        let mut command = child("serving");
        // Before its first thread, which in a test is not the one that calls `shard::begin`.
        // SAFETY: one system call with a set on its stack.
        unsafe {
            command.pre_exec(|| {
                engine::os::signals::block();
                Ok(())
            })
        };
        let mut process = command.env("RTP_ADDRESS", ip.to_string()).spawn().unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "serving");
        UdpSocket::bind((ip, FIRST_PORT)).unwrap_err();
        // SAFETY: no pointers; the process is our child and not waited for yet.
        check(unsafe { libc::kill(process.id() as libc::pid_t, signal) }).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(0));
        for port in FIRST_PORT..FIRST_PORT + 400 {
            UdpSocket::bind((ip, port)).unwrap();
        }
    }
}
