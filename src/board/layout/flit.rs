//! flit: one module or package, named in `[tool.flit.module]` or as the project, at the top or in `src`.
//! (Source: flit_core/common.py, `Module`.)

use toml::Table;

use super::{Layout, module, project_name};
use crate::board::declared::string;
use crate::board::source_tree::SourceTree;

pub(super) fn layout(tree: &SourceTree, pyproject: &Table, name: &str) -> Layout {
    let named = string(pyproject, &["tool", "flit", "module", "name"]);
    let named = named.or_else(|| string(pyproject, &["tool", "flit", "metadata", "module"]));
    let default = || project_name(pyproject, name).replace('-', "_");
    module(tree, &named.map_or_else(default, str::to_owned), &["", "src"])
}

#[cfg(test)]
mod tests {
    use super::super::tests::board;

    const BACKEND: &str = "[build-system]\nbuild-backend = 'flit_core.buildapi'\n";

    fn pyproject(rest: &str) -> String {
        format!("{BACKEND}{rest}")
    }

    #[test]
    fn a_package_bears_the_projects_name() {
        let pyproject = pyproject("[project]\nname = 'Foo-Bar'");
        let files = [
            ("pyproject.toml", &*pyproject),
            ("src/Foo_Bar/__init__.py", ""),
            ("src/Foo_Bar/a.json", ""),
            ("docs/conf.py", ""),
        ];
        assert_eq!(board(&files), ["Foo_Bar/__init__.py", "Foo_Bar/a.json"]);
    }

    #[test]
    fn a_module_can_be_named_and_lie_in_a_namespace() {
        let pyproject = pyproject("[tool.flit.module]\nname = 'name.space'");
        let files = [
            ("pyproject.toml", &*pyproject),
            ("name/space.py", ""),
            ("name/other.py", ""),
        ];
        assert_eq!(board(&files), ["name/space.py"]);
    }

    #[test]
    fn two_candidates_are_not_chosen_from() {
        assert!(board(&[("pyproject.toml", BACKEND), ("foo.py", ""), ("src/foo.py", "")]).is_empty());
    }
}
