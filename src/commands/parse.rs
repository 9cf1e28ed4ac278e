//! argv → command line. pypiserver's own, without the word `run`, is taken as `run`, as pypiserver's image takes it.

use std::ffi::OsString;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Cli;

/// Parses a command line, the program's name first.
///
/// # Errors
/// With the help, or with what is wrong, ready to be shown.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let argv: Vec<_> = argv.into_iter().collect();
    Cli::try_parse_from(&argv).or_else(|error| match with_run(&argv).filter(|_| is_unknown_option(&error)) {
        Some(argv) => Cli::try_parse_from(argv).map_err(|_| error),
        None => Err(with_listen(error)),
    })
}

/// What `--listen` is called elsewhere. clap would suggest what looks alike: `--protect` for `--port`.
const LISTEN: [&str; 7] = ["-p", "--port", "-i", "-H", "--host", "--interface", "--bind"];

/// The error, with `--listen` suggested where that is meant.
fn with_listen(mut error: clap::Error) -> clap::Error {
    let unknown = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    if is_unknown_option(&error) && unknown.is_some_and(|unknown| LISTEN.contains(&unknown.as_str())) {
        let meant = ContextValue::String("--listen '[::]:8089'".to_owned());
        error.insert(ContextKind::SuggestedArg, meant);
        error.remove(ContextKind::Usage);
    }
    error
}

fn is_unknown_option(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::UnknownArgument
}

/// The same with the word `run`; None where another word may be meant.
fn with_run(argv: &[OsString]) -> Option<Vec<OsString>> {
    let (program, options) = argv.split_first()?;
    let is_option = options.first()?.as_encoded_bytes().starts_with(b"-");
    let run = [program.clone(), "run".into()].into_iter();
    is_option.then(|| run.chain(options.iter().cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn pypiservers_options_need_no_word_before_them() {
        for line in [
            "micropypi -P /data/auth/.htpasswd -a update,download,list /data/packages",
            "micropypi --passwords /data/auth/.htpasswd -a update /data/packages",
            "micropypi -p 9000",
        ] {
            assert!(matches!(parsed(line).unwrap().command, Some(Command::Run(_))), "{line}");
        }
    }

    #[test]
    fn serve_says_what_a_port_is_given_by() {
        for line in [
            "micropypi serve --port 8090",
            "micropypi serve -p 8090",
            "micropypi serve --host ::",
        ] {
            let told = parsed(line).unwrap_err().to_string();
            assert!(
                told.contains("'--listen '[::]:8089''") && !told.contains("protect"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_serve_knows_is_serves_and_a_slip_is_none_of_pypiservers() {
        assert!(
            parsed("micropypi --passwords htpasswd --overwrite")
                .unwrap()
                .command
                .is_none()
        );
        for line in [
            "micropypi --listn [::]:80",
            "micropypi passwd -P x",
            "micropypi /data/packages",
        ] {
            let error = parsed(line).unwrap_err();
            assert!(!error.to_string().contains("micropypi run"), "{error}");
        }
    }
}
