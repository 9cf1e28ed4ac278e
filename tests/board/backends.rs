//! Small projects built by the real backends: the board's view of the sdist is that of the wheel, and both are what pip
//! installs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clients::{pip_installed, run, write};
use crate::shelf::Board;

type Files<'a> = &'a [(&'a str, &'a str)];

/// Builds an sdist, and from it a wheel, as `python -m build` does.
fn build(files: Files<'_>) -> (tempfile::TempDir, [PathBuf; 2]) {
    let home = tempfile::tempdir().unwrap();
    let source = home.path().join("source");
    write(&source, files);
    let out = home.path().join("dist");
    let (source, out_dir) = (source.to_str().unwrap(), out.to_str().unwrap());
    if files.iter().any(|(_, text)| text.contains("'uv_build'")) {
        run(
            "uv/bin/uv",
            home.path(),
            &["build", "--quiet", "--out-dir", out_dir, source],
        )
    } else {
        run(
            "build/bin/python",
            home.path(),
            &["-m", "build", "--no-isolation", "--outdir", out_dir, source],
        )
    };
    let dists = [".tar.gz", ".whl"].map(|end| find(&out, end));
    (home, dists)
}

fn find(folder: &Path, end: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .into_iter()
        .find(|path| path.to_str().unwrap().ends_with(end))
        .expect("a distribution was built")
}

/// Builds, compares, and gives the paths on the board.
fn same_on_board_and_host(files: Files<'_>) -> Vec<String> {
    let (home, [sdist, wheel]) = build(files);
    let installed = pip_installed(&wheel, home.path());
    let (sdist, wheel) = (Board::of(&sdist), Board::of(&wheel));
    assert_eq!(wheel.tree(), installed, "the wheel: {:?}", wheel.view.notes);
    assert_eq!(sdist.tree(), installed, "the sdist: {:?}", sdist.view.notes);
    assert_eq!(sdist.view.requires, wheel.view.requires);
    assert!(sdist.view.refused.is_empty() && wheel.view.refused.is_empty());
    installed.into_keys().collect()
}

const README: (&str, &str) = ("README.md", "# read me");
const BY_SETUPTOOLS: &str = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n";
const TESTS: (&str, &str) = ("tests/test_it.py", "assert True");
const SETUPTOOLS: &str = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'small-board'\nversion = '1.0'\ndependencies = ['foo>=1 ; implementation_name == \"micropython\"']\n";

/// `pyproject.toml` with this backend and these further lines.
fn pyproject(backend: &str, requires: &str, rest: &str) -> String {
    format!(
        "[build-system]\nrequires = ['{requires}']\nbuild-backend = '{backend}'\n[project]\nname = 'small-board'\nversion = '1.0'\ndescription = 'small'\n{rest}"
    )
}

#[test]
fn setuptools_flat() {
    let files = [
        ("pyproject.toml", SETUPTOOLS),
        README,
        TESTS,
        ("LICENSE", "MIT"),
        ("small_board/__init__.py", "x = 1"),
        ("small_board/sub/deep.py", "y = 2"),
        ("small_board/py.typed", ""),
        ("small_board/sub/deep.pyi", "y: int"),
    ];
    let board = same_on_board_and_host(&files);
    assert_eq!(board, ["small_board/__init__.py", "small_board/sub/deep.py"]);
}

#[test]
fn setuptools_src_with_data() {
    let files = [
        ("pyproject.toml", SETUPTOOLS),
        (
            "MANIFEST.in",
            "recursive-include src *.json *.md\nrecursive-include docs *",
        ),
        ("docs/index.md", "docs"),
        TESTS,
        ("src/small_board/__init__.py", "x = 1"),
        ("src/small_board/data/a.json", "{}"),
        ("src/other.py", "y = 2"),
    ];
    let board = same_on_board_and_host(&files);
    assert_eq!(
        board,
        ["other.py", "small_board/__init__.py", "small_board/data/a.json"]
    );
}

#[test]
fn setuptools_single_module() {
    let module = format!("{SETUPTOOLS}[tool.setuptools]\npy-modules = ['one']\n");
    let files = [
        ("pyproject.toml", &*module),
        README,
        TESTS,
        ("one.py", "x = 1"),
        ("two.py", ""),
    ];
    assert_eq!(same_on_board_and_host(&files), ["one.py"]);
}

#[test]
fn setuptools_excluded_packages() {
    let find = format!("{SETUPTOOLS}[tool.setuptools.packages.find]\nexclude = ['small_board.tests*', 'tests*']\n");
    let files = [
        ("pyproject.toml", &*find),
        ("MANIFEST.in", "graft small_board"),
        ("small_board/__init__.py", "x = 1"),
        ("small_board/tests/__init__.py", ""),
        ("small_board/tests/data.txt", "data"),
    ];
    same_on_board_and_host(&files);
}

#[test]
fn setuptools_packages_below_several_roots() {
    let find = format!("{SETUPTOOLS}[tool.setuptools.packages.find]\nwhere = ['a', 'b']\n");
    let files = [
        ("pyproject.toml", &*find),
        ("a/small_board/__init__.py", ""),
        ("a/small_board/deep/x.py", ""),
        ("b/other/__init__.py", "x = 1"),
    ];
    assert_eq!(
        same_on_board_and_host(&files),
        ["other/__init__.py", "small_board/__init__.py", "small_board/deep/x.py"]
    );
}

#[test]
fn setuptools_by_setup_py() {
    let setup = "from setuptools import setup, find_packages\nsetup(name='small-board', version='1.0', packages=find_packages(exclude=['tests']), py_modules=['extra'], package_data={'small_board': ['*.bin']})";
    let files = [
        ("setup.py", setup),
        ("pyproject.toml", BY_SETUPTOOLS),
        ("small_board/__init__.py", ""),
        ("small_board/a.bin", "bin"),
        ("small_board/scripts/not_a_package.py", ""),
        ("extra.py", ""),
        ("tests/__init__.py", ""),
    ];
    assert_eq!(
        same_on_board_and_host(&files),
        ["extra.py", "small_board/__init__.py", "small_board/a.bin"]
    );
}

#[test]
fn setuptools_by_setup_cfg() {
    let cfg = "[metadata]\nname = small-board\nversion = 1.0\n[options]\npackages = find_namespace:\npackage_dir =\n    = lib\n[options.packages.find]\nwhere = lib\n[options.package_data]\n* = *.txt\n";
    let files = [
        ("setup.cfg", cfg),
        ("setup.py", "from setuptools import setup\nsetup()"),
        ("MANIFEST.in", "graft lib"),
        ("lib/space/board/a.py", ""),
        ("lib/space/board/b.txt", "b"),
        ("lib/space/board/c.md", "c"),
    ];
    assert_eq!(
        same_on_board_and_host(&files),
        ["space/board/a.py", "space/board/b.txt"]
    );
}

#[test]
fn setuptools_globs_of_data() {
    let data = format!(
        "{SETUPTOOLS}[tool.setuptools]\ninclude-package-data = false\n[tool.setuptools.package-data]\nsmall_board = ['*.txt', 'data/*']\n"
    );
    let files = [
        ("pyproject.toml", &*data),
        ("MANIFEST.in", "graft small_board"),
        ("small_board/__init__.py", ""),
        ("small_board/c.txt", "c"),
        ("small_board/data/a.bin", "a"),
        ("small_board/data/deep/b.bin", "b"),
    ];
    assert_eq!(
        same_on_board_and_host(&files),
        ["small_board/__init__.py", "small_board/c.txt", "small_board/data/a.bin"]
    );
}

#[test]
fn setuptools_lists_of_packages_and_modules() {
    let lists = format!(
        "{SETUPTOOLS}[tool.setuptools]\npackages = ['small_board', 'small_board.bar']\npy-modules = ['other.x']\npackage-dir = {{ 'small_board.bar' = 'bar_src' }}\n"
    );
    let files = [
        ("pyproject.toml", &*lists),
        ("MANIFEST.in", "graft small_board\ngraft other"),
        ("small_board/__init__.py", ""),
        ("small_board/sub/__init__.py", ""),
        ("bar_src/__init__.py", ""),
        ("bar_src/x.py", ""),
        ("other/x.py", ""),
        ("other/y.py", ""),
    ];
    same_on_board_and_host(&files);
}

#[test]
fn setuptools_packages_listed_in_setup_py() {
    let setup = "from setuptools import setup\nsetup(name='small-board', version='1.0', packages=['small_board'])";
    let files = [
        ("setup.py", setup),
        ("pyproject.toml", BY_SETUPTOOLS),
        ("MANIFEST.in", "graft small_board"),
        ("small_board/__init__.py", ""),
        ("small_board/sub/__init__.py", ""),
    ];
    assert_eq!(same_on_board_and_host(&files), ["small_board/__init__.py"]);
}

/// As PyCharm writes it; `top_level.txt` is empty then.
#[test]
fn setuptools_modules_of_the_package_without_a_name() {
    for (arguments, folder) in [
        ("packages=['']", ""),
        ("packages=['', 'sub'], package_dir={'': 'lib'}", "lib/"),
    ] {
        let setup = format!("from setuptools import setup\nsetup(name='small-board', version='1.0', {arguments})");
        let [main, led, sub] = ["main.py", "led.py", "sub/__init__.py"].map(|path| format!("{folder}{path}"));
        let files = [("setup.py", &*setup), (&main, ""), (&led, ""), (&sub, "")];
        assert_eq!(same_on_board_and_host(&files)[..2], ["led.py", "main.py"]);
    }
}

#[test]
fn setuptools_namespace_shared_by_projects() {
    let setup = "from setuptools import setup\nsetup(name='small-board', version='1.0', packages=['space', 'space.board'], namespace_packages=['space'])";
    let files = [
        ("setup.py", setup),
        ("pyproject.toml", BY_SETUPTOOLS),
        (
            "space/__init__.py",
            "__import__('pkg_resources').declare_namespace(__name__)\n",
        ),
        ("space/board/__init__.py", ""),
    ];
    let (home, [sdist, wheel]) = build(&files);
    let on_host = pip_installed(&wheel, home.path());
    // CPython finds the others by a .pth file, and a board by the folder.
    assert!(
        on_host.keys().any(|path| path.ends_with(".pth")),
        "{:?}",
        on_host.keys()
    );
    for dist in [&sdist, &wheel] {
        let board = Board::of(dist).tree();
        assert_eq!(board.keys().collect::<Vec<_>>(), ["space/board/__init__.py"]);
    }
}

/// Two packages by a `setup.py` that says by this map where they lie, and their modules below this folder.
fn moved_by_setup_py(map: &str, folder: &str) -> Vec<(String, String)> {
    let setup = format!(
        "from setuptools import setup\nsetup(name='small-board', version='1.0', packages=['small_board', 'small_board.sub'],\n    package_dir={map})"
    );
    vec![
        ("setup.py".to_owned(), setup),
        ("pyproject.toml".to_owned(), BY_SETUPTOOLS.to_owned()),
        (format!("{folder}__init__.py"), "x = 1".to_owned()),
        (format!("{folder}sub/x.py"), "y = 2".to_owned()),
        ("no/z.py".to_owned(), String::new()),
    ]
}

fn texts(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(path, text)| (&**path, &**text)).collect()
}

#[test]
fn setuptools_folders_named_in_setup_py() {
    let expected = ["small_board/__init__.py", "small_board/sub/x.py"];
    for (map, folder) in [
        ("{'small_board': 'code'}", "code/"),
        ("{'small_board': 'src/small_board'}", "src/small_board/"),
        ("{'': 'my-src'}", "my-src/small_board/"),
    ] {
        let files = moved_by_setup_py(map, folder);
        assert_eq!(same_on_board_and_host(&texts(&files)), expected, "{map}");
    }
    // setuptools takes setup.py along here, for which no board has a use.
    let files = moved_by_setup_py("{'small_board': '.'}", "");
    let (_home, [sdist, _]) = build(&texts(&files));
    assert!(Board::of(&sdist).tree().keys().eq(expected));
}

#[test]
fn flit() {
    for root in ["", "src/"] {
        let [init, data] = ["__init__.py", "data/a.json"].map(|file| format!("{root}small_board/{file}"));
        let pyproject = pyproject("flit_core.buildapi", "flit_core", "");
        let files = [
            ("pyproject.toml", &*pyproject),
            README,
            TESTS,
            (&init, "x = 1"),
            (&data, "{}"),
        ];
        assert_eq!(
            same_on_board_and_host(&files),
            ["small_board/__init__.py", "small_board/data/a.json"]
        );
    }
}

#[test]
fn flit_single_module_of_another_name() {
    let pyproject = pyproject(
        "flit_core.buildapi",
        "flit_core",
        "[tool.flit.module]\nname = 'other'\n",
    );
    assert_eq!(
        same_on_board_and_host(&[("pyproject.toml", &pyproject), ("other.py", "x = 1"), README]),
        ["other.py"]
    );
}

#[test]
fn flit_module_that_looks_like_documents() {
    let pyproject = pyproject("flit_core.buildapi", "flit_core", "[tool.flit.module]\nname = 'docs'\n");
    assert_eq!(
        same_on_board_and_host(&[("pyproject.toml", &pyproject), ("docs/__init__.py", "x = 1"), README]),
        ["docs/__init__.py"]
    );
}

#[test]
fn hatch() {
    for root in ["", "src/"] {
        let [init, data] = ["__init__.py", "data/a.json"].map(|file| format!("{root}small_board/{file}"));
        let pyproject = pyproject("hatchling.build", "hatchling", "");
        let files = [
            ("pyproject.toml", &*pyproject),
            README,
            TESTS,
            ("docs/index.md", ""),
            (&init, "x = 1"),
            (&data, "{}"),
        ];
        assert_eq!(
            same_on_board_and_host(&files),
            ["small_board/__init__.py", "small_board/data/a.json"]
        );
    }
}

#[test]
fn hatch_with_a_selection_of_its_own() {
    let selection = "[tool.hatch.build]\nexclude = ['*.md']\n[tool.hatch.build.targets.wheel]\npackages = ['lib/one', 'two']\n[tool.hatch.build.targets.wheel.force-include]\n'assets/logo.bin' = 'one/logo.bin'\n";
    let pyproject = pyproject("hatchling.build", "hatchling", selection);
    let files = [
        ("pyproject.toml", &*pyproject),
        ("lib/one/a.py", ""),
        ("lib/one/no.md", ""),
        ("lib/not.py", ""),
        ("two/b.py", ""),
        ("assets/logo.bin", "logo"),
    ];
    assert_eq!(same_on_board_and_host(&files), ["one/a.py", "one/logo.bin", "two/b.py"]);
}

#[test]
fn hatch_that_forces_what_is_in_its_package_to_another_place() {
    let wheel = "[tool.hatch.build.targets.wheel]";
    let forces = |from: &str| {
        format!("{wheel}\nforce-include = {{ '{from}one/a.py' = 'one/b.py', '{from}one/data' = 'data' }}\n")
    };
    for (from, selection, keeps_data) in [
        ("", "include = ['*.py']", false),
        ("src/", "include = ['*.py']\nsources = ['src']", true),
        ("src/", "packages = ['src/one']", true),
    ] {
        let pyproject = pyproject(
            "hatchling.build",
            "hatchling",
            &format!("{}{selection}\n", forces(from)),
        );
        let [init, a, data] = ["one/__init__.py", "one/a.py", "one/data/z.py"].map(|path| format!("{from}{path}"));
        let files = [
            ("pyproject.toml", &*pyproject),
            (&*init, ""),
            (&*a, "a = 1"),
            (&*data, "z = 1"),
        ];
        let mut expected = vec!["data/z.py", "one/__init__.py", "one/b.py"];
        expected.extend(keeps_data.then_some("one/data/z.py"));
        assert_eq!(same_on_board_and_host(&files), expected);
    }
}

#[test]
fn hatch_includes_and_sources() {
    let selection =
        "[tool.hatch.build.targets.wheel]\ninclude = ['/src/**/*.py']\nexclude = ['secret.py']\nsources = ['src']\n";
    let pyproject = pyproject("hatchling.build", "hatchling", selection);
    let files = [
        ("pyproject.toml", &*pyproject),
        ("src/a/b.py", ""),
        ("src/a/c.txt", ""),
        ("src/a/secret.py", ""),
        ("d.py", ""),
    ];
    assert_eq!(same_on_board_and_host(&files), ["a/b.py"]);
}

#[test]
fn hatch_configured_in_a_file_of_its_own() {
    let pyproject = pyproject(
        "hatchling.build",
        "hatchling",
        "[tool.hatch.build.targets.wheel]\npackages = ['no']\n",
    );
    let files = [
        ("pyproject.toml", &*pyproject),
        (
            "hatch.toml",
            "[build.targets.wheel]\npackages = ['lib/one']\nexclude = ['*.md']\n",
        ),
        ("lib/one/a.py", ""),
        ("lib/one/no.md", ""),
        ("no/b.py", ""),
    ];
    assert_eq!(same_on_board_and_host(&files), ["one/a.py"]);
}

#[test]
fn hatch_prefixes_and_exclusions_taken_back() {
    let selection = "[tool.hatch.build.targets.wheel]\nonly-packages = true\ninclude = ['*.py', '*.txt']\nexclude = ['*.txt', '!keep.txt']\n[tool.hatch.build.targets.wheel.sources]\n'' = 'pre'\n";
    let pyproject = pyproject("hatchling.build", "hatchling", selection);
    let files = [
        ("pyproject.toml", &*pyproject),
        ("a/__init__.py", ""),
        ("a/keep.txt", "keep"),
        ("a/no.txt", "no"),
        ("b/no.py", ""),
        ("no.py", ""),
    ];
    assert_eq!(same_on_board_and_host(&files), ["pre/a/__init__.py", "pre/a/keep.txt"]);
}

#[test]
fn hatch_packages_below_a_source() {
    let selection = "[tool.hatch.build.targets.wheel]\npackages = ['src/a/b']\n[tool.hatch.build.targets.wheel.sources]\n'src/a' = 'z'\n";
    let pyproject = pyproject("hatchling.build", "hatchling", selection);
    let files = [("pyproject.toml", &*pyproject), ("src/a/b/__init__.py", "")];
    assert_eq!(same_on_board_and_host(&files), ["b/__init__.py"]);
}

#[test]
fn poetry() {
    for root in ["", "src/"] {
        let [init, data] = ["__init__.py", "data/a.json"].map(|file| format!("{root}small_board/{file}"));
        let pyproject = pyproject("poetry.core.masonry.api", "poetry-core", "");
        let files = [
            ("pyproject.toml", &*pyproject),
            README,
            TESTS,
            (&init, "x = 1"),
            (&data, "{}"),
        ];
        assert_eq!(
            same_on_board_and_host(&files),
            ["small_board/__init__.py", "small_board/data/a.json"]
        );
    }
}

#[test]
fn poetry_packages_and_includes() {
    let packages = "[tool.poetry]\npackages = [{ include = 'one', from = 'lib' }, { include = 'two.py' }, { include = 'three', to = 'deep' }]\ninclude = [{ path = 'extra.json', format = ['sdist', 'wheel'] }, { path = 'lib/one/x.bin', format = ['sdist', 'wheel'] }, 'sdist_only.json']\nexclude = ['lib/one/no.py']\n";
    let pyproject = pyproject("poetry.core.masonry.api", "poetry-core", packages);
    let files = [
        ("pyproject.toml", &*pyproject),
        ("lib/one/__init__.py", ""),
        ("lib/one/no.py", ""),
        ("lib/one/x.bin", "x"),
        ("two.py", ""),
        ("three/a.py", ""),
        ("extra.json", "{}"),
        ("sdist_only.json", "{}"),
    ];
    assert_eq!(
        same_on_board_and_host(&files),
        [
            "deep/three/a.py",
            "extra.json",
            "one/__init__.py",
            "one/x.bin",
            "two.py"
        ]
    );
}

#[test]
fn pdm() {
    for root in ["", "src/"] {
        let [init, data] = ["__init__.py", "data/a.json"].map(|file| format!("{root}small_board/{file}"));
        let pyproject = pyproject("pdm.backend", "pdm-backend", "");
        let files = [
            ("pyproject.toml", &*pyproject),
            README,
            TESTS,
            (&init, "x = 1"),
            (&data, "{}"),
        ];
        assert_eq!(
            same_on_board_and_host(&files),
            ["small_board/__init__.py", "small_board/data/a.json"]
        );
    }
}

#[test]
fn pdm_modules_and_excludes() {
    let settings =
        "[tool.pdm.build]\nincludes = ['one.py', 'pkg/']\nexcludes = ['pkg/no.txt']\nsource-includes = ['extra']\n";
    let pyproject = pyproject("pdm.backend", "pdm-backend", settings);
    let files = [
        ("pyproject.toml", &*pyproject),
        ("one.py", ""),
        ("two.py", ""),
        ("pkg/a.py", ""),
        ("pkg/no.txt", ""),
        ("extra/b.py", ""),
    ];
    assert_eq!(same_on_board_and_host(&files), ["one.py", "pkg/a.py"]);
}

#[test]
fn uv() {
    let pyproject = pyproject(
        "uv_build",
        "uv_build",
        "[tool.uv.build-backend]\nwheel-exclude = ['no.txt']\n",
    );
    let files = [
        ("pyproject.toml", &*pyproject),
        README,
        TESTS,
        ("src/small_board/__init__.py", "x = 1"),
        ("src/small_board/a.json", "{}"),
        ("src/small_board/no.txt", ""),
    ];
    assert_eq!(
        same_on_board_and_host(&files),
        ["small_board/__init__.py", "small_board/a.json"]
    );
}
