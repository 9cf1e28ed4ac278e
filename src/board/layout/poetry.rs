//! poetry: the packages of `[tool.poetry]`, or the module that bears the project's name.
//! (Source: poetry/core/masonry/utils/module.py and builders/wheel.py.)

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{Layout, MAX_NAMED, module, module_name, too_many};
use crate::board::declared::{string, strings, table};
use crate::board::patterns::{Globs, PatternError, check_length};
use crate::board::source_tree::{SourceTree, folder, join};

pub(super) fn layout(tree: &SourceTree, pyproject: &Table, name: &str) -> Layout {
    let none = Table::new();
    let poetry = table(pyproject, &["tool", "poetry"]).unwrap_or(&none);
    let named = string(pyproject, &["project", "name"]).or_else(|| string(poetry, &["name"]));
    let mut packages = tables(poetry, "packages");
    packages.retain(|package| is_for_wheels(package).unwrap_or(true));
    let layout = match packages {
        packages if packages.len() > MAX_NAMED => return Layout::undecided(too_many()),
        packages if packages.is_empty() => Ok(default_module(tree, &module_name(named.unwrap_or(name)))),
        packages => listed(tree, &packages),
    };
    let layout = layout.and_then(|layout| with_includes(tree, layout, poetry));
    layout.unwrap_or_else(|error| Layout::undecided(error.to_string()))
}

/// At the top, and only where it is not there, in `src`.
fn default_module(tree: &SourceTree, name: &str) -> Layout {
    let at_top = tree.is_folder(name) || tree.has(&format!("{name}.py"));
    module(tree, name, if at_top { &[""] } else { &["src"] })
}

fn listed(tree: &SourceTree, packages: &[&Table]) -> Result<Layout, PatternError> {
    let includes = packages.iter().filter_map(|package| string(package, &["include"]));
    check_length(includes)?;
    let mut layout = Layout::default();
    for package in packages {
        let base = folder(string(package, &["from"]).unwrap_or_default());
        let to = string(package, &["to"]).unwrap_or_default();
        let wanted = Globs::anchored(&[string(package, &["include"]).unwrap_or_default()])?;
        for path in tree.below(base) {
            let rest = path[base.len()..].trim_start_matches('/');
            if wanted.matches(rest) {
                layout.place(join(to, rest), path);
            }
        }
    }
    Ok(layout)
}

/// `include` and `exclude`, whose patterns start at the project's root. What is included is not excluded.
fn with_includes(tree: &SourceTree, mut layout: Layout, poetry: &Table) -> Result<Layout, PatternError> {
    let included = tables(poetry, "include");
    let paths = included.iter().filter(|entry| is_for_wheels(entry) == Some(true));
    let paths: Vec<&str> = paths.filter_map(|entry| string(entry, &["path"])).collect();
    let wanted = Globs::anchored(&paths)?;
    // A file has one place: where its package puts it, or else its own.
    let placed: BTreeSet<String> = layout.files.values().cloned().collect();
    for path in tree
        .paths()
        .filter(|path| wanted.matches(path) && !placed.contains(*path))
    {
        layout.place(path.to_owned(), path);
    }
    let excluded = Globs::anchored(&strings(poetry, "exclude"))?;
    layout
        .files
        .retain(|_, member| wanted.matches(member) || !excluded.matches(member));
    Ok(layout)
}

/// None where the entry does not say for what it is.
fn is_for_wheels(entry: &Table) -> Option<bool> {
    Some(match entry.get("format")? {
        Value::String(format) => format == "wheel",
        _ => strings(entry, "format").iter().any(|format| format == "wheel"),
    })
}

fn tables<'a>(table: &'a Table, key: &str) -> Vec<&'a Table> {
    let list = table.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_table).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::board;

    const BACKEND: &str = "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry]\n";

    #[test]
    fn the_module_bears_the_projects_name() {
        let pyproject = format!("{BACKEND}name = 'Foo-Bar'");
        assert_eq!(
            board(&[("pyproject.toml", &*pyproject), ("src/foo_bar/__init__.py", "")]),
            ["foo_bar/__init__.py"]
        );
        assert_eq!(
            board(&[
                ("pyproject.toml", &*pyproject),
                ("foo_bar.py", ""),
                ("src/foo_bar.py", "")
            ]),
            ["foo_bar.py"]
        );
    }

    #[test]
    fn packages_go_where_they_are_told() {
        let packages = "packages = [{ include = 'a', from = 'lib' }, { include = 'b', to = 'c' }, { include = 'd', format = 'sdist' }, { include = 'e/**/*.py' }]\nexclude = ['lib/a/no.txt']";
        let pyproject = format!("{BACKEND}{packages}");
        let files = [
            "lib/a/x.py",
            "lib/a/no.txt",
            "b/y.py",
            "d/z.py",
            "e/f/w.py",
            "e/f/w.txt",
        ];
        let mut files = files.map(|path| (path, "")).to_vec();
        files.push(("pyproject.toml", &pyproject));
        assert_eq!(board(&files), ["a/x.py", "c/b/y.py", "e/f/w.py"]);
    }

    #[test]
    fn an_include_does_not_place_a_packages_file_again() {
        let pyproject = format!(
            "{BACKEND}packages = [{{ include = 'foo', from = 'src' }}]\ninclude = [{{ path = 'src/foo/x.bin', format = 'wheel' }}]"
        );
        let files = [
            ("pyproject.toml", &*pyproject),
            ("src/foo/__init__.py", ""),
            ("src/foo/x.bin", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py", "foo/x.bin"]);
    }

    #[test]
    fn what_is_included_is_not_excluded() {
        let pyproject = format!(
            "{BACKEND}include = [{{ path = 'foo/data/*.bin', format = ['sdist', 'wheel'] }}]\nexclude = ['foo/data']"
        );
        let files = [
            ("pyproject.toml", &*pyproject),
            ("foo/__init__.py", ""),
            ("foo/data/a.bin", ""),
            ("foo/data/a.txt", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py", "foo/data/a.bin"]);
    }

    #[test]
    fn includes_count_when_they_name_the_wheel() {
        let pyproject = format!("{BACKEND}include = ['no.json', {{ path = 'yes.json', format = ['sdist', 'wheel'] }}]");
        assert_eq!(
            board(&[
                ("pyproject.toml", &*pyproject),
                ("foo.py", ""),
                ("no.json", ""),
                ("yes.json", "")
            ]),
            ["foo.py", "yes.json"]
        );
    }
}
