//! The little that can be told of a `setup.py` without running it. Called by `settings.rs`.

use std::collections::BTreeMap;

/// What `setup.py` says that a list of names is.
pub(super) enum Listed {
    Nothing,
    Names(Vec<String>),
    /// Those that setuptools finds.
    Found,
    /// Only Python knows.
    Computed,
}

impl Listed {
    pub(super) fn names(self) -> Vec<String> {
        match self {
            Self::Names(names) => names,
            Self::Nothing | Self::Found | Self::Computed => Vec::new(),
        }
    }
}

/// What follows the one place where a keyword is set, in a `setup.py` without its white space.
fn value<'a>(setup: &'a str, keyword: &str) -> Option<&'a str> {
    let start = format!("{keyword}=");
    let is_whole = |at: &usize| !setup[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let mut places = setup.match_indices(&start).map(|(at, _)| at).filter(is_whole);
    let at = places.next()?;
    places.next().is_none().then(|| &setup[at + start.len()..])
}

/// What is between a pair of brackets that are the whole value.
fn between(value: &str, [open, close]: [char; 2]) -> Option<&str> {
    let (inside, after) = value.strip_prefix(open)?.split_once(close)?;
    after.starts_with([',', ')']).then_some(inside)
}

/// What stands between commas, each a literal.
fn each<T, C: FromIterator<T>>(list: &str, read: impl Fn(&str) -> Option<T>) -> Option<C> {
    list.split(',').filter(|word| !word.is_empty()).map(read).collect()
}

/// The one map of literals that a keyword is set to: folders by the names of packages.
pub(super) fn literal_map(setup: &str, keyword: &str) -> Option<BTreeMap<String, String>> {
    let path = |word: &str| literal(word, |c| c == '/' || c == '-');
    each(between(value(setup, keyword)?, ['{', '}'])?, |pair| {
        let (package, folder) = pair.split_once(':')?;
        Some((name(package)?, path(folder)?))
    })
}

/// The one map of lists of literals that a keyword is set to: patterns by the names of packages.
pub(super) fn literal_lists(setup: &str, keyword: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let pattern = |word: &str| literal(word, |c| "/-*?[]".contains(c));
    let inside = between(value(setup, keyword)?, ['{', '}'])?.trim_end_matches(',');
    let lists = inside.strip_suffix(']')?.split("],");
    let entry = |list: &str| {
        let (package, patterns) = list.split_once(":[")?;
        Some((name(package)?, each(patterns, pattern)?))
    };
    lists.map(entry).collect()
}

/// The one list of literals that a keyword is set to.
pub(super) fn literals(setup: &str, keyword: &str) -> Listed {
    let list = || each(between(value(setup, keyword)?, ['[', ']'])?, name);
    match list() {
        Some(names) => Listed::Names(names),
        None if is_found(setup, keyword) => Listed::Found,
        None if setup.contains(&format!("{keyword}=")) => Listed::Computed,
        None => Listed::Nothing,
    }
}

fn is_found(setup: &str, keyword: &str) -> bool {
    let value = value(setup, keyword).unwrap_or_default();
    let function = value.strip_prefix("setuptools.").unwrap_or(value);
    ["find_packages(", "find_namespace_packages("]
        .iter()
        .any(|start| function.starts_with(start))
}

/// The name of a package or module.
fn name(word: &str) -> Option<String> {
    literal(word, |_| false)
}

fn literal(word: &str, is_more: fn(char) -> bool) -> Option<String> {
    let inside = |quote| word.strip_prefix(quote)?.strip_suffix(quote);
    let text = inside('\'').or_else(|| inside('"'))?;
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || is_more(c);
    text.chars().all(is_plain).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::of_sdist;
    use super::super::super::tests::{board, tree};
    use super::*;

    #[test]
    fn only_plain_lists_are_read_of_a_setup_py() {
        let names = |setup: &str| match literals(setup, "packages") {
            Listed::Names(names) => Some(names),
            Listed::Nothing | Listed::Found | Listed::Computed => None,
        };
        assert_eq!(names("setup(packages=['a',\"a.b\",])").unwrap(), ["a", "a.b"]);
        assert_eq!(names("setup(namespace_packages=['a'])"), None);
        for computed in [
            "setup(packages=find_packages())",
            "setup(packages=['a']+more)",
            "setup(packages=['a',b])",
            "setup(packages=['a'+'b'])",
            "if(x):setup(packages=['a'])else:setup(packages=['b'])",
        ] {
            assert_eq!(names(computed), None, "{computed}");
        }
    }

    #[test]
    fn only_plain_maps_of_lists_are_read_of_a_setup_py() {
        let lists = |setup: &str| literal_lists(setup, "package_data");
        let expected = [("", vec!["*.json"]), ("a.b", vec!["www/*.html", "x-y.css"])];
        let expected = expected
            .map(|(package, patterns)| (package.to_owned(), patterns.iter().map(ToString::to_string).collect()));
        assert_eq!(
            lists("setup(package_data={'':['*.json'],\"a.b\":['www/*.html','x-y.css',],},include_package_data=False)")
                .unwrap(),
            BTreeMap::from(expected)
        );
        for computed in [
            "setup(include_package_data=True)",
            "setup(package_data=data)",
            "setup(package_data={'a':files})",
            "setup(package_data={'a':['*.css']+more})",
            "setup(package_data={'a':('*.css',)})",
            "setup(package_data={'a':['*.css']}|more)",
            "setup(package_data={a:['*.css']})",
        ] {
            assert_eq!(lists(computed), None, "{computed}");
        }
    }

    #[test]
    fn only_plain_maps_are_read_of_a_setup_py() {
        let map = |setup: &str| literal_map(setup, "package_dir");
        let expected = [("", "src"), ("a", "./x-y/a")].map(|(package, folder)| (package.into(), folder.into()));
        assert_eq!(
            map("setup(package_dir={'':'src',\"a\":'./x-y/a'})").unwrap(),
            BTreeMap::from(expected)
        );
        for computed in [
            "setup()",
            "setup(package_dir=dirs)",
            "setup(package_dir={'a':x})",
            "setup(package_dir={'a':'b'}|more)",
        ] {
            assert_eq!(map(computed), None, "{computed}");
        }
    }

    #[test]
    fn data_that_setup_py_lists_are_known_beside_a_manifest() {
        let setup =
            "setup(packages=['foo'], package_data={'foo': ['*.html', 'www/*']}, exclude_package_data={'': ['*.psd']})";
        let files = [
            ("setup.py", setup),
            ("MANIFEST.in", ""),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
            ("foo/a.html", ""),
            ("foo/a.css", ""),
            ("foo/www/b.css", ""),
            ("foo/www/b.psd", ""),
        ];
        let layout = of_sdist(&tree(&files), "foo");
        assert_eq!(
            layout.files.into_keys().collect::<Vec<_>>(),
            ["foo/__init__.py", "foo/a.html", "foo/www/b.css"]
        );
        assert!(layout.notes.is_empty(), "{:?}", layout.notes);
    }

    /// As rockwren lists its pages.
    #[test]
    fn data_files_in_a_package_go_with_it() {
        let files = [
            (
                "setup.py",
                "setup(packages=['foo'], data_files=[('foo', ['foo/index.html'])])",
            ),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
            ("foo/index.html", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py", "foo/index.html"]);
        let with_others = [&files[..], &[("MANIFEST.in", "")]].concat();
        let layout = of_sdist(&tree(&with_others), "foo");
        assert!(layout.notes[0].starts_with("1 files of foo are left out: only setup.py knows"));
    }

    /// As the EuroPi lists its modules.
    #[test]
    fn modules_that_setup_py_works_out_need_no_package() {
        let files = |more| {
            let files = [
                ("setup.py", "setup(py_modules = modules_below('foo'))"),
                ("foo.egg-info/top_level.txt", "foo"),
                ("foo/__init__.py", ""),
                ("foo/fonts/small.py", ""),
                ("foo/fonts/small.png", ""),
            ];
            of_sdist(&tree(&[&files[..], more].concat()), "foo")
        };
        let plain = files(&[]);
        assert_eq!(
            plain.files.into_keys().collect::<Vec<_>>(),
            ["foo/__init__.py", "foo/fonts/small.py"]
        );
        let with_others = files(&[("MANIFEST.in", "")]);
        assert_eq!(with_others.files.into_keys().collect::<Vec<_>>(), ["foo/__init__.py"]);
        assert!(with_others.notes[0].starts_with("1 files of foo are left out: only setup.py knows"));
    }
}
