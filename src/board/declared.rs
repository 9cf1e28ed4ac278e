//! What a project declares, in TOML and in the INI files of old. Called by the layouts, `source_tree.rs`, `patterns.rs` and
//! `requires.rs`.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// A table at a path of keys.
pub(super) fn table<'a>(root: &'a Table, keys: &[&str]) -> Option<&'a Table> {
    keys.iter().try_fold(root, |table, key| table.get(*key)?.as_table())
}

/// A string at a path of keys.
pub(super) fn string<'a>(root: &'a Table, keys: &[&str]) -> Option<&'a str> {
    let (key, folders) = keys.split_last()?;
    table(root, folders)?.get(*key)?.as_str()
}

/// A list of strings; what is not a string is passed over.
pub(super) fn strings(table: &Table, key: &str) -> Vec<String> {
    let list = table.get(key).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The sections of an INI file as `setup.cfg` is written: keys with `_` for `-`; a value may go on in
/// indented lines. (Source: Python's configparser.)
pub(super) fn ini(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = sections.entry(String::new()).or_default();
    let mut key = String::new();
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with(['#', ';']));
    for line in lines {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = sections.entry(name.trim().to_owned()).or_default();
        } else if line.starts_with(char::is_whitespace) {
            // In its place: values may have as many lines as the file.
            if let Some(value) = section.get_mut(&key) {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(['=', ':']) {
            key = name.trim().replace('-', "_");
            section.insert(key.clone(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_values_go_on_in_indented_lines() {
        let sections = ini(
            "[options]\npackages =\n    foo\n    foo.sub\n# no\nzip-safe: true\n[options.package_data]\n* = *.txt, *.bin\n",
        );
        assert_eq!(sections["options"]["packages"], "\nfoo\nfoo.sub");
        assert_eq!(sections["options"]["zip_safe"], "true");
        assert_eq!(sections["options.package_data"]["*"], "*.txt, *.bin");
    }

    /// Copied for each line, a value of this size takes minutes.
    #[test]
    fn long_ini_values_are_read_at_once() {
        let sections = ini(&format!("[options]\npackages =\n{}", " a\n".repeat(1 << 20)));
        assert_eq!(sections["options"]["packages"].len(), 2 << 20);
    }
}
