//! What the environment says: settings, the file that has others, systemd's directories. Read by `load.rs`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::diagnose::{Place, Problem, suggest};
use super::flags::Flags;
use super::{places, schema};

/// Names the file.
const FILE_VARIABLE: &str = "MICROPYPI_CONFIG";

/// What the environment says.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    /// The directories that systemd made for the service, by their variables.
    pub(super) directories: HashMap<String, OsString>,
    /// `MICROPYPI_CONFIG`.
    pub(super) file: Option<PathBuf>,
    pub(super) settings: Flags,
    pub(super) problems: Vec<Problem>,
}

impl Environment {
    /// An empty variable is an unset one, as compose files leave them.
    pub(super) fn read(env: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in env.filter(|(_, value)| !value.is_empty()) {
            match name.to_str() {
                Some(FILE_VARIABLE) => environment.file = Some(PathBuf::from(value)),
                Some(name) if name.starts_with(schema::PREFIX) => environment.take(name, &value),
                Some(name) if places::VARIABLES.contains(&name) => {
                    environment.directories.insert(name.to_owned(), value);
                }
                _ => {}
            }
        }
        environment
    }

    fn take(&mut self, name: &str, value: &OsStr) {
        match (schema::path_of_variable(name), value.to_str()) {
            (Some(path), Some(text)) => self.settings.set_text(path, text),
            (Some(_), None) => self.refuse(name, "the value is not UTF-8", None),
            (None, value) if is_service_link(name, value.unwrap_or_default()) => {}
            (None, value) => {
                let nearest = meant_port(name, value).or_else(|| schema::nearest_variable(name));
                self.refuse(name, "no such setting", nearest.as_deref());
            }
        }
    }

    fn refuse(&mut self, name: &str, message: &str, nearest: Option<&str>) {
        self.problems.push(Problem {
            place: Place::Variable(name.to_owned()),
            message: message.to_owned(),
            help: nearest.map(suggest),
        });
    }
}

/// Kubernetes and Docker links set such variables beside every service that is called `micropypi`: `MICROPYPI_PORT` and
/// `MICROPYPI_PORT_8089_TCP` to `tcp://ADDRESS:PORT`, the parts of that below longer names, `MICROPYPI_SERVICE_HOST` and
/// `MICROPYPI_SERVICE_PORT`.
fn is_service_link(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("MICROPYPI_PORT") else {
        return name.starts_with("MICROPYPI_SERVICE_HOST") || name.starts_with("MICROPYPI_SERVICE_PORT");
    };
    let scheme = value.split_once("://").map(|(scheme, _)| scheme);
    let is_part = ["_ADDR", "_PORT", "_PROTO"].iter().any(|part| rest.ends_with(part));
    is_part || matches!(scheme, Some("tcp" | "udp" | "sctp"))
}

/// What `MICROPYPI_PORT=9000` most likely means.
fn meant_port(name: &str, value: Option<&str>) -> Option<String> {
    let port: u16 = value.filter(|_| name == "MICROPYPI_PORT")?.parse().ok()?;
    Some(format!("{}=[::]:{port}", schema::variable("listen")))
}
