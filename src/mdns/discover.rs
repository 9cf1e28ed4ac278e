//! `micropypi discover`: the servers of the LAN as a table, or the lines of configuration for one of them.
//! Called by the command `discover`.

use std::time::Duration;

use super::browse::{Server, browse};
use super::{MdnsError, configuration};

/// Long enough for a second query: mdns-sd asks at 0 and at 1 s, and a server repeats an answer once a second only.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(1_800);

/// What `discover` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Name, URL, version and projects of each server.
    Table,
    /// The same and more as a JSON array.
    Json,
    /// A section for `pip.conf`.
    Pip,
    /// An index for `uv.toml`.
    Uv,
    /// A section for `~/.pypirc`, as twine and flit read it.
    Pypirc,
    /// The calls of mip and mpremote.
    Mip,
    /// Exports for a POSIX shell: `eval "$(micropypi discover --env)"`.
    Env,
}

/// What to look for, and how to print it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name of one server, with or without `.local`; None: all.
    pub name: Option<String>,
    /// What is printed.
    pub shape: Shape,
    /// How long to listen; [`DEFAULT_TIMEOUT`] does for a LAN.
    pub timeout: Duration,
}

/// Asks the LAN and gives what is to be printed on stdout. Blocks for the time-out.
///
/// # Errors
/// [`MdnsError::NoServer`], [`MdnsError::NoSuchServer`], and [`MdnsError::SeveralServers`] for a shape that describes
/// one server when no name was given, or two have it.
pub fn discover(request: &Request) -> Result<String, MdnsError> {
    let name = request.name.as_deref().map(short_name);
    let found = browse(request.timeout, name.as_deref())?;
    let chosen = choose(found, name)?;
    Ok(match request.shape {
        Shape::Table => table(&chosen),
        Shape::Json => json(&chosen),
        Shape::Pip => configuration::pip(only(&chosen)?),
        Shape::Uv => configuration::uv(only(&chosen)?),
        Shape::Pypirc => configuration::pypirc(only(&chosen)?),
        Shape::Mip => configuration::mip(only(&chosen)?),
        Shape::Env => configuration::env(only(&chosen)?),
    })
}

/// `MicroPyPI.local.` is the server that calls itself `micropypi`.
fn short_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    name.strip_suffix(".local").unwrap_or(name).to_owned()
}

fn choose(found: Vec<Server>, name: Option<String>) -> Result<Vec<Server>, MdnsError> {
    if found.is_empty() && name.is_none() {
        return Err(MdnsError::NoServer);
    }
    let Some(name) = name else { return Ok(found) };
    let others = names(&found);
    let chosen: Vec<Server> = found.into_iter().filter(|server| server.name == name).collect();
    if chosen.is_empty() {
        return Err(MdnsError::NoSuchServer { name, others });
    }
    Ok(chosen)
}

fn only(servers: &[Server]) -> Result<&Server, MdnsError> {
    match servers {
        [server] => Ok(server),
        _ => Err(MdnsError::SeveralServers(table(servers))),
    }
}

fn names(servers: &[Server]) -> String {
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    names.join(", ")
}

fn table(servers: &[Server]) -> String {
    let mut rows = vec![["NAME", "URL", "VERSION", "PROJECTS"].map(str::to_owned)];
    rows.extend(servers.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (name, url, version) = (width(0), width(1), width(2));
    let line = |row: &[String; 4]| format!("{:name$}  {:url$}  {:version$}  {}\n", row[0], row[1], row[2], row[3]);
    rows.iter().map(line).collect()
}

fn row(server: &Server) -> [String; 4] {
    let unknown = || "-".to_owned();
    [
        server.name.clone(),
        server.url.clone(),
        server.version.clone().unwrap_or_else(unknown),
        server.projects.map_or_else(unknown, |number| number.to_string()),
    ]
}

fn json(servers: &[Server]) -> String {
    let mut text = serde_json::to_string_pretty(servers).expect("strings and numbers serialize");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn server(name: &str, projects: Option<usize>) -> Server {
        Server {
            name: name.to_owned(),
            url: "http://192.168.1.5:8089".to_owned(),
            authority: "192.168.1.5:8089".to_owned(),
            scheme: "http",
            addresses: BTreeSet::new(),
            version: projects.map(|_| "0.1.0".to_owned()),
            projects,
            protocols: Vec::new(),
            uploads_need_password: true,
        }
    }

    #[test]
    fn a_table_lines_up_and_says_what_it_does_not_know() {
        let text = table(&[server("lab", None), server("micropypi-2", Some(12))]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME         URL                      VERSION  PROJECTS");
        assert_eq!(lines[1], "lab          http://192.168.1.5:8089  -        -");
        assert_eq!(lines[2], "micropypi-2  http://192.168.1.5:8089  0.1.0    12");
    }

    #[test]
    fn one_of_several_is_never_guessed() {
        let found = vec![server("lab", None), server("micropypi", None)];
        let error = only(&choose(found.clone(), None).unwrap()).unwrap_err().to_string();
        assert!(error.contains("lab") && error.contains("micropypi"), "{error}");
        let chosen = choose(found.clone(), Some(short_name("MicroPyPI.local"))).unwrap();
        assert_eq!(only(&chosen).unwrap().name, "micropypi");
        let error = choose(found, Some("attic".to_owned())).unwrap_err().to_string();
        assert!(error.contains("`attic`") && error.contains("lab, micropypi"), "{error}");
    }

    #[test]
    fn two_of_one_name_are_told_apart_by_their_urls() {
        let mut found = vec![server("lab", None), server("lab", None)];
        found[1].url = "http://192.168.1.5:8090".to_owned();
        let chosen = choose(found, Some("lab".to_owned())).unwrap();
        let error = only(&chosen).unwrap_err().to_string();
        for word in ["mdns.name", "http://192.168.1.5:8089", "http://192.168.1.5:8090"] {
            assert!(error.contains(word), "{error}");
        }
    }

    /// `twine upload` without `-r` takes what stands under `pypi`, with the password for that.
    #[test]
    fn no_server_takes_the_place_of_a_public_index() {
        for name in ["pypi", "testpypi"] {
            let server = server(name, None);
            let lines = configuration::pypirc(&server) + &configuration::uv(&server) + &configuration::env(&server);
            for written in [
                format!("[{name}]"),
                format!("\"{name}\""),
                format!("'{name}="),
                format!("    {name}\n"),
            ] {
                assert!(!lines.contains(&written), "{written} in {lines}");
            }
            assert!(
                lines.contains("[micropypi]\nrepository = http://192.168.1.5:8089/"),
                "{lines}"
            );
        }
    }

    #[test]
    fn nobody_there_is_an_error_with_a_hint() {
        let error = choose(Vec::new(), None).unwrap_err().to_string();
        assert!(error.contains("5353"), "{error}");
    }
}
