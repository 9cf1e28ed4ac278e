//! A process with few rights: Landlock for the file system, seccomp for the network, limits of time and memory.
//! Called by `mpy.rs`.
//!
//! Landlock and seccomp bind a thread and what it starts; so the process is started by a thread of its own, which ends
//! with it. Where the kernel lacks one of the two, or seccompiler does not know the architecture, the remaining limits
//! hold, and the log says so once. The limits of memory and time are set as soon as the process runs, before a compiler
//! can have read much of its source.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::time::Duration;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process_group, pidfd_open, prlimit};

/// Where a program's libraries and its loader lie.
const LIBRARIES: [&str; 7] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/nix/store",
    "/etc/ld.so.cache",
];

/// Wall clock, for a process that waits for what never comes.
const TIME: Duration = Duration::from_secs(10);

/// Limits of the kernel: seconds of CPU, bytes of address space and of any file written, open files, core dumps.
const LIMITS: [(Resource, u64); 5] = [
    (Resource::Cpu, 10),
    (Resource::As, 256 << 20),
    (Resource::Fsize, 16 << 20),
    (Resource::Nofile, 16),
    (Resource::Core, 0),
];

/// Most bytes that are kept of what it says: the last ones.
const SAID: usize = 8 << 10;

/// The files beside itself and its libraries that a process may open.
pub(super) struct Files<'a> {
    pub(super) read: &'a Path,
    pub(super) write: &'a Path,
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Success,
    /// With what it wrote to stderr.
    Failure(String),
    /// By the clock or a signal.
    Killed,
}

/// Runs a program to its end.
pub(super) fn run(program: &Path, arguments: &[&OsStr], files: &Files<'_>) -> io::Result<Ending> {
    let confined = || {
        confine(program, files)?;
        finish(start(program, arguments)?, TIME)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn_scoped(scope, confined)?;
        thread
            .join()
            .map_err(|_| io::Error::other("the thread that starts the process panicked"))?
    })
}

fn start(program: &Path, arguments: &[&OsStr]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir("/");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Reads its stderr while it runs: a full pipe that nobody reads would stop it.
fn finish(mut child: Child, time: Duration) -> io::Result<Ending> {
    let stderr = child.stderr.take().expect("it is piped");
    std::thread::scope(|scope| {
        let said = std::thread::Builder::new()
            .name("sandbox stderr".to_owned())
            .spawn_scoped(scope, || tail(stderr));
        let ended = said.and_then(|said| {
            limit(&child)?;
            wait(&child, time)?;
            Ok(said)
        });
        // With all that it has started, which may hold its stderr open for ever.
        kill_process_group(Pid::from_child(&child), Signal::KILL)?;
        let status = child.wait()?;
        let said = ended?.join();
        said.map_err(|_| io::Error::other("the thread that reads stderr panicked"))?
            .map(|said| ending(status, &said))
    })
}

/// The last bytes to be had from a reader.
fn tail(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    while reader.by_ref().take(SAID as u64).read_to_end(&mut said)? > 0 {
        said.drain(..said.len().saturating_sub(SAID));
    }
    Ok(said)
}

fn limit(child: &Child) -> io::Result<()> {
    for (resource, most) in LIMITS {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        match prlimit(Some(Pid::from_child(child)), resource, limit) {
            Ok(_) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits for its end, or until its time is over. It is not reaped, so that nobody else can have its number.
fn wait(child: &Child, time: Duration) -> io::Result<()> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    retry_on_intr(|| poll(&mut ended, Some(&time)))?;
    Ok(())
}

fn ending(status: ExitStatus, said: &[u8]) -> Ending {
    match status.code() {
        Some(0) => Ending::Success,
        Some(_) => Ending::Failure(String::from_utf8_lossy(said).into_owned()),
        None => Ending::Killed,
    }
}

/// Binds the current thread and what it starts, as far as the kernel and the service's own sandbox let it.
fn confine(program: &Path, files: &Files<'_>) -> io::Result<()> {
    static TOLD: [Once; 2] = [Once::new(), Once::new()];
    let landlock = restrict(program, files).map_err(io::Error::other)?;
    if landlock.ruleset == RulesetStatus::NotEnforced {
        TOLD[0].call_once(|| tracing::warn!("there is no Landlock here: mpy-cross can read what micropypi can read"));
    }
    if let Err(error) = network::deny() {
        TOLD[1].call_once(|| tracing::warn!("mpy-cross can open sockets: {error}"));
    }
    Ok(())
}

fn restrict(program: &Path, files: &Files<'_>) -> Result<RestrictionStatus, RulesetError> {
    let abi = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::Execute | AccessFs::ReadDir;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?;
    let ruleset = ruleset.scope(Scope::from_all(abi))?.create()?;
    let ruleset = ruleset.add_rules(path_beneath_rules(LIBRARIES, read))?;
    let ruleset = ruleset.add_rules(path_beneath_rules([program], AccessFs::ReadFile | AccessFs::Execute))?;
    let ruleset = ruleset.add_rules(path_beneath_rules([files.read], AccessFs::ReadFile))?;
    let ruleset = ruleset.add_rules(path_beneath_rules(
        [Path::new("/dev/null")],
        AccessFs::ReadFile | AccessFs::WriteFile,
    ))?;
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    match PathFd::new(files.write) {
        Ok(file) => ruleset.add_rule(PathBeneath::new(file, write))?.restrict_self(),
        Err(_) => ruleset.restrict_self(),
    }
}

/// No sockets, of any kind.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod network {
    use std::collections::BTreeMap;

    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

    pub(super) fn deny() -> Result<(), seccompiler::Error> {
        let calls = [libc::SYS_socket, libc::SYS_socketpair, libc::SYS_io_uring_setup];
        let rules: BTreeMap<_, _> = calls.map(|call| (call, Vec::new())).into();
        let refused = SeccompAction::Errno(libc::EPERM as u32);
        let arch = std::env::consts::ARCH.try_into()?;
        let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()?;
        apply_filter(&filter)
    }
}

/// seccompiler knows no other architecture; Landlock alone keeps from TCP, where the kernel has it.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod network {
    pub(super) fn deny() -> Result<(), &'static str> {
        Err("its system calls can be filtered on x86_64 and aarch64 only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: &str, arguments: &[&str], files: &Files<'_>) -> Ending {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        super::run(Path::new(program), &arguments, files).unwrap()
    }

    fn nothing() -> Files<'static> {
        let null = Path::new("/dev/null");
        Files {
            read: null,
            write: null,
        }
    }

    fn has_landlock() -> bool {
        let thread = std::thread::spawn(|| restrict(Path::new("/bin/true"), &nothing()).unwrap().ruleset);
        thread.join().unwrap() != RulesetStatus::NotEnforced
    }

    #[test]
    fn only_the_two_files_can_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [own, other, out] = ["own", "other", "out"].map(|name| folder.path().join(name));
        for path in [&own, &other, &out] {
            std::fs::write(path, "text").unwrap();
        }
        let files = Files {
            read: &own,
            write: &out,
        };
        let copy = |from: &Path, to: &Path| run("/bin/cp", &[from.to_str().unwrap(), to.to_str().unwrap()], &files);
        assert_eq!(copy(&own, &out), Ending::Success);
        if !has_landlock() {
            return;
        }
        assert!(matches!(copy(&other, &out), Ending::Failure(said) if said.contains("Permission denied")));
        assert!(matches!(copy(&own, &other), Ending::Failure(said) if said.contains("Permission denied")));
    }

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn there_are_no_sockets() {
        let files = nothing();
        let script = "socket(my $s, 2, 2, 0) or die $!";
        assert!(
            matches!(run("/usr/bin/perl", &["-e", script], &files), Ending::Failure(said) if said.starts_with("Operation not permitted"))
        );
    }

    #[test]
    fn one_that_says_much_comes_to_its_end() {
        let script = "print STDERR 'a' x 1_000_000; die 'the end'";
        let ending = run("/usr/bin/perl", &["-e", script], &nothing());
        assert!(matches!(ending, Ending::Failure(said) if said.len() == SAID && said.contains("athe end")),);
    }

    #[test]
    fn memory_is_limited() {
        let files = nothing();
        let script = "my @held; for (1 .. 2000) { push @held, 'a' x 1_000_000 } exit 0";
        assert!(matches!(
            run("/usr/bin/perl", &["-e", script], &files),
            Ending::Failure(_)
        ));
    }

    #[test]
    fn one_that_never_ends_is_killed_with_all_that_it_has_started() {
        let script = ["-c", "sleep infinity & sleep infinity"].map(OsStr::new);
        let child = start(Path::new("/bin/sh"), &script).unwrap();
        assert_eq!(finish(child, Duration::from_millis(100)).unwrap(), Ending::Killed);
    }

    #[test]
    fn what_it_writes_is_limited() {
        let out = tempfile::NamedTempFile::new().unwrap();
        let files = Files {
            write: out.path(),
            ..nothing()
        };
        // Over and over: the first may come before the limit.
        let script = "for (1 .. 200_000) { truncate($ARGV[0], 17 << 20) or die; truncate($ARGV[0], 0) }";
        let arguments = ["-e", script, out.path().to_str().unwrap()];
        assert_eq!(run("/usr/bin/perl", &arguments, &files), Ending::Killed);
    }
}
