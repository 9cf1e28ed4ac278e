//! The directory of a server under test, its configuration, and the ways to start one there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::process::geteuid;
use tempfile::TempDir;

use super::{PASSWORD, Server, USER, bcrypt_line, files_below, unshare};
use crate::dists::Dist;

/// A directory with a configuration that servers are started in, one after another.
#[derive(Clone)]
pub(crate) struct Site {
    home: Arc<TempDir>,
    settings: BTreeMap<String, String>,
}

impl Site {
    /// An empty directory, one user who may upload, no mDNS, any free port of 127.0.0.1.
    pub(crate) fn new() -> Self {
        let site = Self {
            home: Arc::new(tempfile::tempdir().expect("a temporary directory")),
            settings: BTreeMap::new(),
        };
        fs::create_dir_all(site.packages()).expect("the package directory");
        site.set("listen", r#"["127.0.0.1:0"]"#)
            .set("mdns.enabled", "false")
            .set("auth.passwords", r#""htpasswd""#)
            .htpasswd(&bcrypt_line(USER, PASSWORD))
    }

    /// A new site with these distributions in its package directory.
    pub(crate) fn holding(dists: &[Dist]) -> Self {
        dists.iter().fold(Self::new(), Self::package)
    }

    /// Sets a key of the configuration, written `table.key`, to a TOML value.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Leaves a key to its default.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.settings.remove(key);
        self
    }

    /// Removes a file of the site's directory.
    pub(crate) fn without_file(self, relative: &str) -> Self {
        fs::remove_file(self.path(relative)).expect("a file to remove");
        self
    }

    /// Writes the htpasswd file.
    pub(crate) fn htpasswd(self, content: &str) -> Self {
        let path = self.path("htpasswd");
        fs::write(&path, content).expect("htpasswd");
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("htpasswd");
        self
    }

    /// Puts a distribution into the package directory, as a person would.
    pub(crate) fn package(self, dist: &Dist) -> Self {
        fs::write(self.packages().join(&dist.filename), &dist.bytes).expect("a package file");
        self
    }

    /// Dates a distribution in the package directory, by microseconds since 1970.
    pub(crate) fn dated(self, dist: &Dist, microseconds: u64) -> Self {
        let file = File::options().write(true).open(self.packages().join(&dist.filename));
        let date = UNIX_EPOCH + Duration::from_micros(microseconds);
        file.and_then(|file| file.set_modified(date)).expect("a package file");
        self
    }

    /// A path in the site's directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    /// The package directory.
    pub(crate) fn packages(&self) -> PathBuf {
        self.path("data/packages")
    }

    /// The names of all files below the package directory, hidden ones too, sorted.
    pub(crate) fn stored(&self) -> Vec<String> {
        files_below(&self.packages())
    }

    /// Fails the test unless the package directory holds these distributions, whole, and nothing else.
    #[track_caller]
    pub(crate) fn assert_holds(&self, dists: &[Dist]) {
        let mut names: Vec<_> = dists.iter().map(|dist| dist.filename.clone()).collect();
        names.sort();
        assert_eq!(self.stored(), names);
        for dist in dists {
            assert!(
                fs::read(self.packages().join(&dist.filename)).unwrap() == dist.bytes,
                "{}",
                dist.filename
            );
        }
    }

    /// Writes the configuration file, and gives its path.
    pub(crate) fn configure(&self) -> PathBuf {
        let lines: Vec<String> = self
            .settings
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        let path = self.path("config.toml");
        fs::write(&path, lines.concat()).expect("config.toml");
        path
    }

    /// Starts `micropypi serve` here and waits until it answers.
    pub(crate) fn start(&self) -> Server {
        self.start_with_environment(&[])
    }

    /// The same with these variables.
    pub(crate) fn start_with_environment(&self, variables: &[(&str, &OsStr)]) -> Server {
        let config = self.configure();
        let mut command = self.command();
        command.arg("serve").arg("--config").arg(config);
        command.envs(variables.iter().copied());
        Server::spawn(self, &mut command)
    }

    /// Starts `micropypi serve` with the package directory on a tmpfs with these mount options. What it holds is to be
    /// seen by [`Server::stored`] only.
    pub(crate) fn start_on_tmpfs(&self, options: &str) -> Server {
        self.start_with_tmpfs("data/packages", options)
    }

    /// Starts `micropypi serve` with this directory on a tmpfs with these mount options, to be seen by [`Server::sees`] only.
    pub(crate) fn start_with_tmpfs(&self, directory: &str, options: &str) -> Server {
        let script = r#"mkdir -p "$3" && mount -t tmpfs -o "$2" tmpfs "$3""#;
        self.start_unshared(&["--mount"], script, &[options, directory])
    }

    /// Starts `micropypi serve` with another directory of the site mounted as this one.
    pub(crate) fn start_with_mount(&self, source: &str, directory: &str) -> Server {
        self.start_unshared(&["--mount"], r#"mount --bind "$2" "$3""#, &[source, directory])
    }

    /// Starts `micropypi serve` with this file, an ext4, mounted as this directory, where only [`Server::sees`] leads. It is
    /// unmounted when the server ends.
    pub(crate) fn start_on_disk(&self, disk: &str, directory: &str) -> Server {
        self.start_unshared(&["--mount"], r#"mount -t ext4 -o loop "$2" "$3""#, &[disk, directory])
    }

    /// Starts `micropypi serve` with the package directory on FUSE, where it is another name of `data/disk`. What changes
    /// there raises no event here.
    pub(crate) fn start_on_fuse(&self) -> Server {
        fs::create_dir(self.path("data/disk")).expect("the disk's directory");
        let script = "{ setpriv --pdeathsig KILL bindfs -f data/disk data/packages & \
                      until mountpoint -q data/packages; do kill -0 $! && sleep 0.01 || exit 1; done; }";
        self.start_unshared(&["--mount"], script, &[])
    }

    /// Starts `micropypi serve` where inotify may watch so many folders, and no more.
    pub(crate) fn start_with_watches(&self, most: u32) -> Server {
        let script = r#"echo "$2" > /proc/sys/user/max_inotify_watches"#;
        self.start_unshared(&["--user", "--map-root-user"], script, &[&most.to_string()])
    }

    /// Starts `micropypi serve` in namespaces of its own, from a shell that has run this before, with these arguments as its
    /// `$2` and `$3`.
    fn start_unshared(&self, namespaces: &[&str], script: &str, arguments: &[&str]) -> Server {
        let mut command = unshare(namespaces);
        command.current_dir(self.home.path());
        self.start_by_shell(command.arg("sh"), script, arguments)
    }

    /// Starts `micropypi serve` here from a shell that has run this before.
    pub(crate) fn start_after(&self, shell: &str) -> Server {
        let mut command = Command::new("sh");
        self.at_home(&mut command);
        self.start_by_shell(&mut command, shell, &[])
    }

    /// The program is the shell's `$0`, the configuration its `$1`.
    fn start_by_shell(&self, shell: &mut Command, script: &str, arguments: &[&str]) -> Server {
        shell.args(["-c", &format!(r#"{script} && exec "$0" serve --config "$1""#)]);
        shell.arg(env!("CARGO_BIN_EXE_micropypi")).arg(self.configure());
        Server::spawn(self, shell.args(arguments))
    }

    /// Starts `micropypi serve` as one who may do no more than the permissions say: root becomes another user.
    pub(crate) fn start_unprivileged(&self) -> Server {
        let mut command = self.command();
        if geteuid().is_root() {
            command = Command::new("unshare");
            self.at_home(&mut command);
            command.args(["--user", "--map-user=65532", env!("CARGO_BIN_EXE_micropypi")]);
        }
        command.arg("serve").arg("--config").arg(self.configure());
        Server::spawn(self, &mut command)
    }

    /// Starts `micropypi` with these arguments here and waits until it answers.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Server {
        let mut command = self.command();
        command.args(arguments).env("MICROPYPI_MDNS_ENABLED", "false");
        Server::spawn(self, &mut command)
    }

    /// The program, to be run in the site's directory with nothing of this process's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_micropypi"));
        self.at_home(&mut command);
        command
    }

    /// Without `HOME` the program would ask the system for it, and leave its cache with whoever runs the tests.
    fn at_home(&self, command: &mut Command) {
        let home = self.home.path();
        command
            .current_dir(home)
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::null());
    }
}
