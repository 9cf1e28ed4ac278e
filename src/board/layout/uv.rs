//! uv_build: the modules of `[tool.uv.build-backend]`, below `src` unless `module-root` says otherwise.
//! (Source: uv's documentation of the build backend.)

use toml::{Table, Value};

use super::{Layout, MAX_NAMED, module, module_name, project_name, too_many};
use crate::board::declared::{string, strings, table};
use crate::board::patterns::Globs;
use crate::board::source_tree::SourceTree;

pub(super) fn layout(tree: &SourceTree, pyproject: &Table, name: &str) -> Layout {
    let none = Table::new();
    let settings = table(pyproject, &["tool", "uv", "build-backend"]).unwrap_or(&none);
    let names = match settings.get("module-name") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(_) => strings(settings, "module-name"),
        None => vec![module_name(project_name(pyproject, name))],
    };
    if names.len() > MAX_NAMED {
        return Layout::undecided(too_many());
    }
    let root = string(settings, &["module-root"]).unwrap_or("src");
    let mut layout = Layout::default();
    for name in names {
        let found = module(tree, &name, &[root]);
        layout.files.extend(found.files);
        layout.notes.extend(found.notes);
    }
    exclude(&mut layout, settings);
    layout
}

/// Patterns match at any depth, but for those that begin with `/`.
fn exclude(layout: &mut Layout, settings: &Table) {
    let patterns = [strings(settings, "source-exclude"), strings(settings, "wheel-exclude")].concat();
    let anywhere = |pattern: String| {
        if pattern.starts_with('/') {
            pattern
        } else {
            format!("**/{pattern}")
        }
    };
    let patterns: Vec<String> = patterns.into_iter().map(anywhere).collect();
    match Globs::new(&patterns) {
        Ok(excluded) => layout.files.retain(|_, member| !excluded.matches(member)),
        Err(error) => *layout = Layout::undecided(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::board;

    #[test]
    fn the_module_lies_in_src_and_exclusions_hold() {
        let pyproject = "[build-system]\nbuild-backend = 'uv_build'\n[project]\nname = 'My.Foo'\n[tool.uv.build-backend]\nwheel-exclude = ['*.bin', 'a/b/**']";
        let files = [
            ("pyproject.toml", pyproject),
            ("src/my_foo/__init__.py", ""),
            ("src/my_foo/a.bin", ""),
            ("src/my_foo/a/b/c.txt", ""),
            ("src/other.py", ""),
        ];
        assert_eq!(board(&files), ["my_foo/__init__.py"]);
    }

    #[test]
    fn several_modules_can_be_named() {
        let pyproject = "[build-system]\nbuild-backend = 'uv_build'\n[tool.uv.build-backend]\nmodule-root = ''\nmodule-name = ['foo', 'bar.sub']";
        let files = [
            ("pyproject.toml", pyproject),
            ("foo/__init__.py", ""),
            ("bar/sub/__init__.py", ""),
            ("bar/no.py", ""),
        ];
        assert_eq!(board(&files), ["bar/sub/__init__.py", "foo/__init__.py"]);
    }
}
