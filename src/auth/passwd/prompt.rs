//! Where the `passwd` command gets the password from.

use std::io::{self, BufRead, IsTerminal};

use super::PasswdError;
use crate::auth::UserName;

/// Most that is read of standard input: longer lines are refused anyway.
const MAX_LINE_BYTES: u64 = 1_024;

/// Asks twice without echo when standard input is a terminal, else takes its first line.
pub(super) fn read(user: &UserName) -> Result<String, PasswdError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let in_io = |source| PasswdError::Input {
            from: "standard input",
            source,
        };
        return first_line(stdin.lock()).map_err(in_io);
    }
    let ask = |prompt: String| {
        let in_io = |source| PasswdError::Input {
            from: "terminal",
            source,
        };
        rpassword::prompt_password(prompt).map_err(in_io)
    };
    let password = ask(format!("New password for {user}: "))?;
    super::check_password(&password)?;
    match ask("Once more: ".to_owned())? {
        again if again == password => Ok(password),
        _ => Err(PasswdError::Mismatch),
    }
}

fn first_line(input: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.take(MAX_LINE_BYTES).read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_line_without_its_end() {
        for input in ["a b\n", "a b\r\n", "a b", "a b\nmore\n"] {
            assert_eq!(first_line(input.as_bytes()).unwrap(), "a b");
        }
        assert_eq!(first_line(&b""[..]).unwrap(), "");
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
