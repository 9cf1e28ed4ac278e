//! pdm-backend: the packages of `package-dir` (`src` where there is one), or else its modules, with includes and
//! excludes. (Source: pdm/backend/base.py and config.py.)

use toml::Table;

use super::Layout;
use crate::board::declared::{string, strings, table};
use crate::board::patterns::{Globs, PatternError};
use crate::board::source_tree::{SourceTree, folder, join};

pub(super) fn layout(tree: &SourceTree, pyproject: &Table) -> Layout {
    let none = Table::new();
    let build = table(pyproject, &["tool", "pdm", "build"]).unwrap_or(&none);
    let mut layout = match selected(tree, build) {
        Ok(layout) => layout,
        Err(error) => return Layout::undecided(error.to_string()),
    };
    if build.contains_key("custom-hook") || tree.has("pdm_build.py") || table(build, &["hooks"]).is_some() {
        layout.note("what a build hook of pdm adds is not known here: upload a wheel as well");
    }
    layout
}

fn selected(tree: &SourceTree, build: &Table) -> Result<Layout, PatternError> {
    let root = package_dir(tree, build);
    let source_only = match strings(build, "source-includes") {
        list if list.is_empty() => vec!["tests".to_owned()],
        list => list,
    };
    let included = Globs::anchored(&includes(tree, build, &root))?;
    let excluded = Globs::anchored(&[strings(build, "excludes"), source_only].concat())?;
    let mut layout = Layout::default();
    for path in tree
        .paths()
        .filter(|path| included.matches(path) && !excluded.matches(path))
    {
        let below = path.strip_prefix(&root).and_then(|rest| rest.strip_prefix('/'));
        layout.place(below.unwrap_or(path).to_owned(), path);
    }
    Ok(layout)
}

fn package_dir(tree: &SourceTree, build: &Table) -> String {
    let includes = strings(build, "includes");
    let are_below = includes.is_empty() || includes.iter().any(|path| path.starts_with("src/"));
    let default = if are_below && tree.is_folder("src") { "src" } else { "" };
    folder(string(build, &["package-dir"]).unwrap_or(default)).to_owned()
}

fn includes(tree: &SourceTree, build: &Table, root: &str) -> Vec<String> {
    let given = strings(build, "includes");
    if !given.is_empty() {
        return given;
    }
    let names = tree.children(root);
    let paths = names.iter().map(|name| join(root, name));
    let packages: Vec<String> = paths.filter(|path| tree.has(&format!("{path}/__init__.py"))).collect();
    if packages.is_empty() {
        vec![join(root, "*.py")]
    } else {
        packages
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::board;

    const BACKEND: &str = "[build-system]\nbuild-backend = 'pdm.backend'\n";

    #[test]
    fn packages_come_before_modules_and_tests_stay_behind() {
        let files = [
            "src/foo/__init__.py",
            "src/foo/a.txt",
            "src/foo/sub/b.py",
            "src/no.py",
            "tests/__init__.py",
        ];
        let files = files
            .map(|path| (path, ""))
            .into_iter()
            .chain([("pyproject.toml", BACKEND)])
            .collect::<Vec<_>>();
        assert_eq!(board(&files), ["foo/__init__.py", "foo/a.txt", "foo/sub/b.py"]);
    }

    #[test]
    fn modules_are_taken_where_there_is_no_package() {
        assert_eq!(
            board(&[("pyproject.toml", BACKEND), ("foo.py", ""), ("tests/test_foo.py", "")]),
            ["foo.py"]
        );
    }

    #[test]
    fn includes_and_excludes_hold() {
        let pyproject = format!(
            "{BACKEND}[tool.pdm.build]\npackage-dir = 'lib'\nincludes = ['lib/foo']\nexcludes = ['lib/foo/*.md']"
        );
        let files = [
            ("pyproject.toml", &*pyproject),
            ("lib/foo/a.py", ""),
            ("lib/foo/b.md", ""),
            ("lib/bar/c.py", ""),
        ];
        assert_eq!(board(&files), ["foo/a.py"]);
    }
}
