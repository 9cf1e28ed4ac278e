use super::super::of_sdist;
use super::super::tests::{board, tree};

const PYPROJECT: (&str, &str) = (
    "pyproject.toml",
    "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'foo'",
);

#[test]
fn top_level_names_packages_and_modules() {
    let files = [
        PYPROJECT,
        ("foo.egg-info/top_level.txt", "foo\nbar\n"),
        ("foo/__init__.py", ""),
        ("foo/a.txt", ""),
        ("bar.py", ""),
        ("tests/a.py", ""),
        ("setup.cfg", "[egg_info]"),
    ];
    assert_eq!(board(&files), ["bar.py", "foo/__init__.py", "foo/a.txt"]);
}

#[test]
fn the_egg_info_folder_tells_the_root() {
    let files = [
        PYPROJECT,
        ("src/foo.egg-info/top_level.txt", "foo"),
        ("src/foo/__init__.py", ""),
        ("src/foo/sub/b.py", ""),
        ("foo/no.py", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py", "foo/sub/b.py"]);
}

#[test]
fn setup_py_alone_decides_no_data() {
    let setup = ("setup.py", "setup(package_data=find_data())");
    let files = [
        setup,
        ("MANIFEST.in", ""),
        ("foo.egg-info/top_level.txt", "foo"),
        ("foo/__init__.py", ""),
        ("foo/a.bin", ""),
    ];
    let layout = of_sdist(&tree(&files), "foo");
    assert_eq!(layout.files.into_keys().collect::<Vec<_>>(), ["foo/__init__.py"]);
    assert!(layout.notes[0].starts_with("1 files of foo are left out: only setup.py knows"));
}

#[test]
fn folders_without_init_are_no_packages_for_setup_py() {
    let files = [
        ("setup.py", "setup(packages = find_packages())"),
        ("foo.egg-info/top_level.txt", "foo"),
        ("foo/__init__.py", ""),
        ("foo/scripts/x.py", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py"]);
    // It names no packages, and setuptools discovers them, namespaces among them.
    let mut files = files;
    files[0].1 = "setup()";
    assert_eq!(board(&files), ["foo/__init__.py", "foo/scripts/x.py"]);
}

#[test]
fn the_top_itself_has_two_names() {
    for packages in ["['']", "['.']"] {
        let setup = format!("setup(packages={packages})");
        let files = [
            ("setup.py", &*setup),
            ("foo.egg-info/top_level.txt", "\n"),
            ("foo.py", ""),
            ("bar.py", ""),
        ];
        assert_eq!(board(&files), ["bar.py", "foo.py"], "{packages}");
    }
}

/// As phew 0.0.1 does, and so do many that upip installed all the same.
#[test]
fn a_package_that_is_listed_as_a_module_is_not_lost() {
    let list = "foo.egg-info/top_level.txt";
    let packages = [
        (list, "foo\nmain"),
        ("main.py", ""),
        ("foo/__init__.py", ""),
        ("foo/sub/x.py", ""),
    ];
    for settings in [
        ("setup.py", "setup(py_modules=['main', 'foo'])"),
        ("pyproject.toml", "[tool.setuptools]\npy-modules = ['main', 'foo']"),
    ] {
        let layout = of_sdist(&tree(&[&packages[..], &[settings]].concat()), "foo");
        assert_eq!(
            layout.files.into_keys().collect::<Vec<_>>(),
            ["foo/__init__.py", "foo/sub/x.py", "main.py"]
        );
        assert_eq!(
            layout.notes,
            ["listed as modules, but packages, so that pip leaves them out; boards get them: foo"]
        );
    }
    let module = [
        ("setup.py", "setup(py_modules=['foo'])"),
        (list, "foo"),
        ("foo.py", ""),
        ("foo/__init__.py", ""),
    ];
    assert_eq!(board(&module), ["foo.py"]);
}

/// Each of the hundred that stand for CircuitPython's modules would have had its note.
#[test]
fn type_hints_are_not_said_to_be_missing() {
    let files = [
        ("setup.py", "setup(packages = names)"),
        ("foo.egg-info/top_level.txt", "bar-stubs\nfoo-stubs\ngone"),
    ];
    assert_eq!(
        of_sdist(&tree(&files), "foo").notes,
        ["gone is left out: it is not where setuptools would look for it"]
    );
}

#[test]
fn setup_cfg_globs_select_data() {
    let cfg = "[options]\npackages = find:\n[options.package_data]\nfoo = *.txt, data/*.bin\n";
    let files = [
        ("setup.py", "setup()"),
        ("setup.cfg", cfg),
        ("MANIFEST.in", ""),
        ("foo.egg-info/top_level.txt", "foo"),
        ("foo/__init__.py", ""),
        ("foo/a.txt", ""),
        ("foo/data/b.bin", ""),
        ("foo/c.md", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py", "foo/a.txt", "foo/data/b.bin"]);
}

#[test]
fn setup_cfg_says_yes_in_many_ways() {
    for (setting, expected) in [("yes", 2), ("1", 2), ("TRUE", 2), ("on", 1), ("no", 1)] {
        let cfg = format!("[options]\npackages = find:\ninclude_package_data = {setting}\n");
        let files = [
            ("setup.cfg", &*cfg),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
            ("foo/a.bin", ""),
        ];
        assert_eq!(board(&files).len(), expected, "{setting}");
    }
}

/// Only the metadata have moved to `pyproject.toml`.
#[test]
fn setup_cfg_and_setup_py_count_beside_the_metadata_of_pyproject() {
    let cfg = "[options]\npackages = find:\ninclude_package_data = False\n[options.packages.find]\nexclude = foo.tests";
    let files = [
        PYPROJECT,
        ("setup.cfg", cfg),
        ("foo.egg-info/top_level.txt", "foo"),
        ("foo/__init__.py", ""),
        ("foo/a.bin", ""),
        ("foo/tests/__init__.py", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py"]);
    let setup = "setup(packages=['foo'], package_dir={'foo': 'lib'})";
    let files = [
        PYPROJECT,
        ("setup.py", setup),
        ("foo.egg-info/top_level.txt", "foo"),
        ("lib/__init__.py", ""),
        ("lib/a.bin", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py", "foo/a.bin"]);
}

#[test]
fn excluded_packages_stay_behind() {
    let pyproject = "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\ninclude-package-data = false\n[tool.setuptools.packages.find]\nexclude = ['foo.tests*']";
    let files = [
        ("pyproject.toml", pyproject),
        ("foo.egg-info/top_level.txt", "foo"),
        ("foo/__init__.py", ""),
        ("foo/tests/__init__.py", ""),
        ("foo/sub/__init__.py", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py", "foo/sub/__init__.py"]);
}

#[test]
fn packages_lie_below_several_roots() {
    let settings = "packages.find.where = ['a', 'b/', './a']\npackages.find.exclude = ['not*']";
    let pyproject = format!("{SETUPTOOLS}{settings}");
    let files = [
        ("pyproject.toml", &*pyproject),
        ("a/foo/__init__.py", ""),
        ("a/foo/sub/x.py", ""),
        ("a/not/__init__.py", ""),
        ("b/bar/__init__.py", ""),
        ("c/no/__init__.py", ""),
    ];
    let expected = ["bar/__init__.py", "foo/__init__.py", "foo/sub/x.py"];
    assert_eq!(board(&files), expected);
    let with_egg_info = [&files[..], &[("foo.egg-info/top_level.txt", "bar\nfoo")]].concat();
    assert_eq!(board(&with_egg_info), expected);
}

#[test]
fn listed_packages_are_all_there_is() {
    let pyproject = "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\npackages = ['foo']\ninclude-package-data = false\npackage-dir = { foo = 'lib' }";
    let files = [
        ("pyproject.toml", pyproject),
        ("lib/__init__.py", ""),
        ("lib/sub/__init__.py", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py"]);
}

const SETUPTOOLS: &str = "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\n";

fn built(settings: &str, files: &[&str]) -> Vec<String> {
    let pyproject = format!("{SETUPTOOLS}{settings}");
    let mut files: Vec<_> = files.iter().map(|path| (*path, "")).collect();
    files.extend([("pyproject.toml", &*pyproject), ("foo.egg-info/top_level.txt", "foo")]);
    board(&files)
}

#[test]
fn data_is_named_by_any_package_around_it_and_as_python_globs_it() {
    let settings = "include-package-data = false\npackage-data = { foo = ['*.txt', 'data/*'] }\nexclude-package-data = { '*' = ['*.no'] }";
    let files = [
        "foo/__init__.py",
        "foo/c.txt",
        "foo/data/a.bin",
        "foo/data/deep/b.bin",
        "foo/data/d.no",
    ];
    assert_eq!(
        built(settings, &files),
        ["foo/__init__.py", "foo/c.txt", "foo/data/a.bin"]
    );
}

#[test]
fn a_package_below_another_may_lie_elsewhere() {
    let settings = "packages = ['foo', 'foo.bar']\npackage-dir = { 'foo.bar' = 'src_of_bar' }";
    let files = ["foo/__init__.py", "src_of_bar/__init__.py", "src_of_bar/x.py"];
    assert_eq!(
        built(settings, &files),
        ["foo/__init__.py", "foo/bar/__init__.py", "foo/bar/x.py"]
    );
}

#[test]
fn a_module_in_a_package_comes_alone() {
    let files = ["foo/x.py", "foo/y.py", "foo/a.bin"];
    assert_eq!(built("py-modules = ['foo.x']", &files), ["foo/x.py"]);
}

#[test]
fn setup_py_may_list_its_packages() {
    let files = [
        ("setup.py", "setup(packages = ['foo'])"),
        ("foo.egg-info/top_level.txt", "foo"),
        ("foo/__init__.py", ""),
        ("foo/sub/__init__.py", ""),
    ];
    assert_eq!(board(&files), ["foo/__init__.py"]);
}

/// Its `__init__.py` imports `pkg_resources`, which no board has.
#[test]
fn a_package_that_several_projects_share_has_no_init() {
    let files = [
        ("setup.py", "setup()"),
        ("z.egg-info/top_level.txt", "z\nzoo\n"),
        ("z.egg-info/namespace_packages.txt", "z\nz.app\n"),
        ("z/__init__.py", ""),
        ("z/app/__init__.py", ""),
        ("z/app/event/__init__.py", ""),
        ("z/a/__init__.py", ""),
        ("zoo/__init__.py", ""),
    ];
    assert_eq!(
        board(&files),
        ["z/a/__init__.py", "z/app/event/__init__.py", "zoo/__init__.py"]
    );
    // It names those above, too.
    let mut files = files;
    files[2].1 = "z.app\n";
    assert_eq!(board(&files)[0], "z/a/__init__.py");
}

/// Compiled for each path, they took a minute.
#[test]
fn patterns_are_read_once() {
    let patterns: Vec<_> = (0..300).map(|n| format!("'foo.*{n}x*'")).collect();
    let settings = format!("packages.find.exclude = [{}]", patterns.join(","));
    let deep = |n| format!("foo/{}{n}.py", "a/".repeat(20));
    let files: Vec<_> = (0..3_000).map(deep).collect();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    assert_eq!(built(&settings, &files).len(), 3_000);
}

#[test]
fn the_depth_of_a_path_costs_nothing() {
    let deep = |n: usize| format!("foo/{}{n}.py", "a/".repeat(20_000));
    let files: Vec<_> = (0..100).map(deep).collect();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    // The uploader is told that they are too long.
    assert_eq!(built("", &files).len(), 100);
}

#[test]
fn patterns_that_cannot_be_read_decide_nothing() {
    let pyproject = format!("{SETUPTOOLS}packages.find.exclude = ['{}']", "{".repeat(100));
    let layout = of_sdist(&tree(&[("pyproject.toml", &pyproject), ("foo/__init__.py", "")]), "foo");
    assert!(layout.files.is_empty() && layout.notes[0].starts_with("a pattern has more than"));
}

#[test]
fn without_egg_info_packages_are_discovered() {
    assert_eq!(
        board(&[PYPROJECT, ("src/foo/__init__.py", ""), ("src/bar.py", "")]),
        ["bar.py", "foo/__init__.py"]
    );
    assert_eq!(
        board(&[
            PYPROJECT,
            ("foo/__init__.py", ""),
            ("tests/a.py", ""),
            ("docs/conf.py", "")
        ]),
        ["foo/__init__.py"]
    );
    assert_eq!(
        board(&[PYPROJECT, ("foo.py", ""), ("_version.py", ""), ("manage.py", "")]),
        ["foo.py"]
    );
    assert_eq!(board(&[PYPROJECT, ("utils.py", "")]), ["utils.py"]);
    let two = of_sdist(
        &tree(&[PYPROJECT, ("foo/__init__.py", ""), ("bar/__init__.py", "")]),
        "foo",
    );
    assert!(two.files.is_empty() && two.notes[0].starts_with("more than one package"));
}

/// Searched one by one, so many packages take minutes.
#[test]
fn a_host_of_listed_packages_is_read_at_once() {
    let listed: Vec<_> = (0..100_000).map(|at| format!("'foo.x{at}'")).collect();
    let pyproject = format!(
        "{}\n[tool.setuptools]\npackages = ['foo', {}]",
        PYPROJECT.1,
        listed.join(",")
    );
    let folders: Vec<_> = (0..20_000).map(|at| format!("foo/y{at}/a.py")).collect();
    let mut files = vec![("pyproject.toml", &*pyproject), ("foo/__init__.py", "")];
    files.extend(folders.iter().map(|path| (path.as_str(), "")));
    // setuptools takes them for data of `foo`.
    assert_eq!(board(&files).len(), 20_001);
}
