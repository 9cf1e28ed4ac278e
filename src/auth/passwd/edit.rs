//! Changes to the bytes of an htpasswd file that leave all other lines as they are. Pure. Called by `passwd`.

use crate::auth::UserName;
use crate::auth::passwords::Entry;

/// Whether a line is `user`'s.
pub(super) fn has(file: &[u8], user: &UserName) -> bool {
    line_of(file, user).is_some()
}

/// The user's line, without its end.
pub(super) fn line_of<'a>(file: &'a [u8], user: &UserName) -> Option<&'a [u8]> {
    lines(file).find(|line| is_of(line, user)).map(<[u8]>::trim_ascii_end)
}

/// The file with `user:hash` in place of the user's line, or at its end. Further lines of the user go.
pub(super) fn set(file: &[u8], user: &UserName, hash: &str) -> Vec<u8> {
    let Some(at) = lines(file).position(|line| is_of(line, user)) else {
        return append(file, user, hash);
    };
    let mut new = Vec::with_capacity(file.len() + hash.len());
    for (index, line) in lines(file).enumerate() {
        if index == at {
            new.extend_from_slice(format!("{user}:{hash}").as_bytes());
            new.extend_from_slice(end_of(line));
        } else if !is_of(line, user) {
            new.extend_from_slice(line);
        }
    }
    new
}

/// The file without the user's lines.
pub(super) fn delete(file: &[u8], user: &UserName) -> Vec<u8> {
    lines(file)
        .filter(|line| !is_of(line, user))
        .flatten()
        .copied()
        .collect()
}

/// The file with one line more, which ends as its first one does.
fn append(file: &[u8], user: &UserName, hash: &str) -> Vec<u8> {
    let end = match lines(file).next().map(end_of) {
        Some(b"\r\n") => "\r\n",
        _ => "\n",
    };
    let mut new = file.to_vec();
    if !file.is_empty() && !file.ends_with(b"\n") {
        new.extend_from_slice(end.as_bytes());
    }
    new.extend_from_slice(format!("{user}:{hash}{end}").as_bytes());
    new
}

/// The lines, each with its end.
fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split_inclusive(|&b| b == b'\n')
}

fn is_of(line: &[u8], user: &UserName) -> bool {
    matches!(Entry::parse(line), Ok(Some(entry)) if entry.user == user.as_str().as_bytes())
}

fn end_of(line: &[u8]) -> &[u8] {
    match line {
        [.., b'\r', b'\n'] => b"\r\n",
        [.., b'\n'] => b"\n",
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &[u8] = b"# staff\r\nann:x\r\n\r\njo:old:comment\r\nnonsense\r\njo:twice\r\nbob:y";

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    #[test]
    fn replaces_the_line_and_nothing_else() {
        let expected: &[u8] = b"# staff\r\nann:x\r\n\r\njo:new\r\nnonsense\r\nbob:y";
        assert_eq!(set(FILE, &user("jo"), "new"), expected);
        assert_eq!(set(b"jo:old", &user("jo"), "new"), b"jo:new");
    }

    #[test]
    fn appends_with_the_files_line_ends() {
        assert_eq!(set(b"", &user("jo"), "new"), b"jo:new\n");
        assert_eq!(set(b"ann:x", &user("jo"), "new"), b"ann:x\njo:new\n");
        assert_eq!(
            set(b"ann:x\r\nbob:y", &user("jo"), "new"),
            b"ann:x\r\nbob:y\r\njo:new\r\n"
        );
    }

    #[test]
    fn a_comment_and_a_longer_name_are_not_the_user() {
        let file: &[u8] = b"#jo:x\njoe:x\njo\n";
        assert!(!has(file, &user("jo")));
        assert_eq!(delete(file, &user("jo")), file);
    }

    #[test]
    fn deletes_every_line_of_the_user() {
        let expected: &[u8] = b"# staff\r\nann:x\r\n\r\nnonsense\r\nbob:y";
        assert_eq!(delete(FILE, &user("jo")), expected);
    }

    proptest! {
        #[test]
        fn a_new_user_comes_and_goes_without_a_trace(file in "([a-z#: \r]{0,6}\n){0,8}") {
            let with = set(file.as_bytes(), &user("jörg"), "hash");
            prop_assert!(has(&with, &user("jörg")));
            prop_assert_eq!(delete(&with, &user("jörg")), file.into_bytes());
        }
    }
}
