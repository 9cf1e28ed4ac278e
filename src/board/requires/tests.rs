//! Requirements as projects write them, and as nobody should.

use super::*;

fn names(lines: &[&str]) -> (Vec<String>, usize) {
    let metadata = CoreMetadata {
        requires_dist: lines.iter().map(|line| (*line).to_owned()).collect(),
        ..metadata()
    };
    let (requires, notes) = read(Some(&metadata), &SourceTree::default());
    (
        requires
            .iter()
            .map(|requirement| format!("{}{}", requirement.name, requirement.range))
            .collect(),
        notes.len(),
    )
}

fn metadata() -> CoreMetadata {
    CoreMetadata::parse(b"Metadata-Version: 2.1\nName: foo\nVersion: 1\n").unwrap()
}

#[test]
fn markers_are_evaluated_for_micropython() {
    let lines = [
        "a ; implementation_name == 'micropython'",
        "b ; implementation_name == 'cpython'",
        "c (>=1.0,<2) ; sys_platform != 'win32'",
        "d ; sys_platform == 'linux'",
        "e ; extra == 'all'",
        "f ; platform_system == 'Windows' or os_name == 'nt'",
    ];
    assert_eq!(names(&lines), (vec!["a".to_owned(), "c>=1.0, <2".to_owned()], 0));
}

#[test]
fn what_holds_on_some_boards_is_noted() {
    assert_eq!(names(&["a ; sys_platform == 'esp32'"]), (vec!["a".to_owned()], 1));
}

#[test]
fn names_stay_as_they_are_written() {
    let lines = [" umqtt.simple>=1", "Foo_Bar[all]", "baz(==1)", "a >= 1,", "b ( <2, )"];
    let written = ["umqtt.simple>=1", "Foo_Bar", "baz==1", "a>=1", "b<2"].map(str::to_owned);
    assert_eq!(names(&lines), (written.into(), 0));
}

#[test]
fn backports_for_old_pythons_are_left_out_and_noted() {
    let lines = [
        "typing-extensions; python_version < '3.10'",
        "tomli; python_full_version < '3.11.0a7'",
        "backports.zstd; python_version < '3.14'",
        "asyncio; python_version >= '3'",
        "importlib-metadata; python_version >= '3.8' and python_version < '3.10'",
        "pywin32; sys_platform == 'win32' and python_version < '3.10'",
    ];
    assert_eq!(names(&lines), (vec!["asyncio".to_owned()], 4));
}

#[test]
fn what_todays_pythons_require_boards_require_too() {
    let lines = [
        "foo>=2 ; python_version >= '3.8'",
        "foo<2 ; python_version < '3.8'",
        "bar ; python_version >= '3.15'",
    ];
    assert_eq!(names(&lines), (vec!["foo>=2".to_owned(), "bar".to_owned()], 1));
}

#[test]
fn the_requirements_on_one_project_are_one() {
    let lines = ["Foo.Bar>=1", "foo-bar<3", "foo_bar >= 1", "foo-bar"];
    assert_eq!(names(&lines), (vec!["Foo.Bar>=1, <3".to_owned()], 0));
    let many: Vec<String> = (0..20_000).map(|_| "q0".to_owned()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(names(&many), (vec!["q0".to_owned()], 1));
}

#[test]
fn what_is_beyond_all_measure_is_noted() {
    let lines = [
        format!("a ; {}", "(".repeat(20_000)),
        format!("b ; {}os_name == ''{}", "(".repeat(1_000), ")".repeat(1_000)),
        format!("c{}!=1", "!=1,".repeat(300)),
        "d".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(names(&lines), (vec!["d".to_owned()], 3));
}

#[test]
fn more_requirements_than_any_project_has_are_cut() {
    let lines: Vec<String> = (0..300).map(|n| format!("p{n}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (names, notes) = names(&lines);
    assert_eq!((names.len(), notes), (MAX_REQUIREMENTS, 1));
}

#[test]
fn a_section_of_requires_txt_is_not_copied_without_end() {
    let mut tree = SourceTree::default();
    tree.add("foo.egg-info/requires.txt");
    let text = format!("[:{}]\n{}", "(".repeat(1 << 20), "a\n".repeat(1 << 20));
    tree.add_text("foo.egg-info/requires.txt", text);
    let (requires, notes) = read(Some(&metadata()), &tree);
    assert_eq!((requires.len(), notes.len()), (0, 2), "{notes:?}");
}

#[test]
fn what_cannot_be_installed_is_noted() {
    assert_eq!(names(&["a @ git+ssh://example.org/a", "!!"]), (Vec::new(), 2));
    assert_eq!(
        names(&["a_ = 1", "b- >= 1", "c[d", "e[f_] @ x", "g[][h_", "i (>= 1", "j 1"]),
        (Vec::new(), 7)
    );
    assert_eq!(
        names(&["a [b_] >= 1", "c[d,e]", "f[g] (>= 1)"]),
        (vec!["a>=1".to_owned(), "c".to_owned(), "f>=1".to_owned()], 0)
    );
}

#[test]
fn extras_of_requires_txt_are_left_out() {
    let mut tree = SourceTree::default();
    tree.add("foo.egg-info/requires.txt");
    let text =
        "a>=1\nb\n\n[:implementation_name == \"micropython\"]\nc\n\n[:sys_platform == \"win32\"]\nd\n\n[extra]\ne\n";
    tree.add_text("foo.egg-info/requires.txt", text.to_owned());
    let (requires, notes) = read(Some(&metadata()), &tree);
    assert_eq!(
        requires
            .iter()
            .map(|requirement| &*requirement.name)
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert!(notes.is_empty());
}
