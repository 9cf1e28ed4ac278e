use std::collections::BTreeMap;

use super::*;

#[derive(Default)]
struct Shelf(BTreeMap<ProjectName, Vec<Candidate>>);

impl Universe for Shelf {
    fn releases(&self, project: &ProjectName) -> Vec<Candidate> {
        self.0.get(project).cloned().unwrap_or_default()
    }
}

fn name(text: &str) -> ProjectName {
    ProjectName::parse(text).unwrap()
}

fn requirement(text: &str) -> Requirement {
    let at = text.find(|c: char| "<>=!~ ".contains(c)).unwrap_or(text.len());
    Requirement {
        name: text[..at].trim().to_owned(),
        range: text[at..].parse().unwrap(),
    }
}

fn candidate(version: &str, requires: &[&str]) -> Candidate {
    Candidate {
        version: ReleaseVersion::parse(version).unwrap(),
        requires: requires.iter().map(|text| requirement(text)).collect(),
        yanked: false,
    }
}

/// Lines of `name version: requirement, requirement`.
fn shelf(lines: &[&str]) -> Shelf {
    let mut shelf = Shelf::default();
    for line in lines {
        let (release, requires) = line.split_once(':').unwrap_or((line, ""));
        let (project, version) = release.split_once(' ').unwrap();
        let requires: Vec<&str> = requires
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        shelf
            .0
            .entry(name(project))
            .or_default()
            .push(candidate(version, &requires));
    }
    shelf
}

fn pins(shelf: &Shelf, project: &str) -> (Vec<String>, Vec<String>) {
    let resolution = resolve(&name(project), &shelf.0[&name(project)][0], shelf);
    (
        resolution.pins.iter().map(ToString::to_string).collect(),
        resolution.notes,
    )
}

#[test]
fn the_newest_version_in_range_is_pinned_and_stable_ones_go_first() {
    let shelf = shelf(&["a 1:b<3;c", "b 1", "b 2", "b 2.5rc1", "b 3", "c 1.0rc1", "c 0.9.dev1"]);
    assert_eq!(
        pins(&shelf, "a"),
        (vec!["c==1.0rc1".to_owned(), "b==2".to_owned()], vec![])
    );
}

#[test]
fn versions_are_solved_together() {
    let shelf = shelf(&["a 1:b;c", "b 1", "b 2", "c 2:b<2"]);
    assert_eq!(pins(&shelf, "a"), (vec!["c==2".to_owned(), "b==1".to_owned()], vec![]));
}

#[test]
fn local_versions_satisfy_their_public_one() {
    let shelf = shelf(&["a 1:b==1.0", "b 1.0+dev42"]);
    assert_eq!(pins(&shelf, "a").0, ["b==1.0+dev42"]);
}

#[test]
fn a_prefix_of_more_numbers_than_a_release_has_is_not_satisfied() {
    let shelf = shelf(&["a 1:b==1.5.*", "b 1"]);
    let (pinned, notes) = pins(&shelf, "a");
    assert!(pinned.is_empty());
    assert_eq!(
        notes,
        ["b ==1.5.* is required, and no release here will do: a board goes without it"]
    );
}

#[test]
fn prefixed_names_find_each_other() {
    let shelf = shelf(&["a 1:micropython-b;c", "b 1", "micropython-c 2"]);
    assert_eq!(
        pins(&shelf, "a"),
        (vec!["micropython-c==2".to_owned(), "b==1".to_owned()], vec![])
    );
}

fn missing(shelf: &Shelf, project: &str) -> Vec<(String, String)> {
    let resolution = resolve(&name(project), &shelf.0[&name(project)][0], shelf);
    let named = |missing: &Missing| (missing.name.clone(), missing.version.clone());
    resolution.missing.iter().map(named).collect()
}

#[test]
fn what_is_not_here_is_passed_on_by_name() {
    let shelf = shelf(&["a 1:umqtt.simple;y==1.5"]);
    let named = [("umqtt.simple", "latest"), ("y", "1.5")];
    assert_eq!(
        missing(&shelf, "a"),
        named.map(|(name, version)| (name.to_owned(), version.to_owned()))
    );
    let (pinned, notes) = pins(&shelf, "a");
    assert!(pinned.is_empty());
    assert_eq!(
        notes[0],
        "umqtt.simple is required and is not here: mip asks for it by name, upip goes without it"
    );
}

/// The release that mip would get by name may require this one again, and the board's stack ends.
#[test]
fn what_is_here_in_another_version_is_not_passed_on() {
    let shelf = shelf(&["a 1:b>=2", "b 1:a", "c 1:c>=2", "micropython-d 1:d>=2"]);
    for project in ["a", "c", "micropython-d"] {
        assert_eq!(missing(&shelf, project), [], "{project}");
        assert_eq!(pins(&shelf, project).0, Vec::<String>::new(), "{project}");
    }
    let (_, notes) = pins(&shelf, "a");
    assert_eq!(
        notes,
        ["b >=2 is required, and no release here will do: a board goes without it"]
    );
}

#[test]
fn what_others_bring_in_another_version_is_told() {
    let lines = ["d 1.0", "d 1.5", "d 2.0", "b 1.0:d<2", "e 1.0:f==1", "f 1"];
    let note = |requires: &str| {
        let release = format!("a 1.0:{requires}");
        let mut shelf = shelf(&[&lines[..], &[&*release]].concat());
        shelf.0.get_mut(&name("f")).unwrap()[0].yanked = true;
        pins(&shelf, "a").1
    };
    let told = |wanted: &str, outcome: &str| {
        vec![format!(
            "{wanted} is required, and no release here will do: a board {outcome}"
        )]
    };
    assert_eq!(note("d==9;b"), told("d ==9", "gets d 1.5, as others require it"));
    assert_eq!(note("d==9;d<2"), told("d ==9", "gets d 1.5, as others require it"));
    assert_eq!(note("f;e"), told("f", "gets f 1, as others require it"));
    assert_eq!(note("d==9;e"), told("d ==9", "goes without it"));
}

#[test]
fn what_leads_to_something_missing_comes_last() {
    let shelf = shelf(&["a 1:b;c;d;x", "b 1:e", "c 1", "d 1", "e 1:y"]);
    let (pinned, _) = pins(&shelf, "a");
    assert_eq!(pinned.last().unwrap(), "b==1");
    assert_eq!(pinned.len(), 3);
}

/// 20,000 of them took minutes when each release of a range was joined to it alone.
#[test]
fn many_requirements_on_many_releases_are_solved_at_once() {
    let mut lines = vec![format!("a 1:{}", "b>=0;".repeat(2_000))];
    lines.extend((0..300).map(|version| format!("b {version}")));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(pins(&shelf(&lines), "a"), (vec!["b==299".to_owned()], vec![]));
}

#[test]
fn a_yanked_release_is_for_those_who_require_exactly_it() {
    let mut shelf = shelf(&["a 1:b==2", "c 1:b", "d 1:b==2.*", "b 1", "b 2"]);
    shelf.0.get_mut("b").unwrap()[1].yanked = true;
    assert_eq!(pins(&shelf, "a"), (vec!["b==2".to_owned()], vec![]));
    assert_eq!(pins(&shelf, "c"), (vec!["b==1".to_owned()], vec![]));
    assert!(pins(&shelf, "d").0.is_empty());
}

#[test]
fn the_other_name_stands_in_for_a_project_that_is_yanked() {
    let mut shelf = shelf(&[
        "a 1:b",
        "c 1:b==1",
        "d 1:b==2",
        "e 1:f",
        "b 1",
        "micropython-b 2",
        "f 1",
    ]);
    for yanked in ["b", "f"] {
        shelf.0.get_mut(&name(yanked)).unwrap()[0].yanked = true;
    }
    assert_eq!(pins(&shelf, "a"), (vec!["micropython-b==2".to_owned()], vec![]));
    assert_eq!(pins(&shelf, "c"), (vec!["b==1".to_owned()], vec![]));
    assert_eq!(pins(&shelf, "d"), (vec!["micropython-b==2".to_owned()], vec![]));
    let (pinned, notes) = pins(&shelf, "e");
    assert!(pinned.is_empty());
    assert_eq!(
        notes,
        ["f is required, and no release here will do: a board goes without it"]
    );
}

#[test]
fn cycles_are_broken_at_one_place() {
    let shelf = shelf(&["a 1:b", "b 1:c", "c 1:a;d", "d 1"]);
    assert_eq!(pins(&shelf, "a").0, ["b==1"]);
    assert_eq!(pins(&shelf, "b").0, ["c==1"]);
    let (pinned, notes) = pins(&shelf, "c");
    assert_eq!(pinned, ["d==1"]);
    assert_eq!(
        notes,
        ["a is left out: it requires c itself, and a board would go round in circles"]
    );
}

#[test]
fn a_conflict_is_told_and_each_is_taken_alone() {
    let shelf = shelf(&["a 1:b;c", "b 1:d<2", "c 1:d>=2", "d 1", "d 2"]);
    let (pinned, notes) = pins(&shelf, "a");
    assert_eq!(pinned, ["c==1", "b==1"]);
    assert_eq!(
        notes[0],
        "the requirements exclude each other, so each is taken alone: a 1 requires b; a 1 requires c; b 1 requires d <2; \
         c 1 requires d >=2"
    );
}

/// A release that is not the first of its project, and a pre-release, which the solver prefers less than any other.
#[test]
fn a_conflict_is_told_by_versions_and_not_by_their_order() {
    let shelf = shelf(&[
        "a 1.0:d>=2;b",
        "b 0.9:d<2",
        "b 1.0:d<2",
        "d 1.0",
        "d 1.5",
        "d 2.0",
        "d 2.1rc1",
    ]);
    let (pinned, notes) = pins(&shelf, "a");
    assert_eq!(pinned, ["b==1.0", "d==2.0"]);
    assert_eq!(
        notes[0],
        "the requirements exclude each other, so each is taken alone: a 1.0 requires b; a 1.0 requires d >=2; b 1.0 requires d <2"
    );
}

/// One release more than there are places for, each to be alone in its own: PubGrub tries all orders.
#[test]
fn a_hostile_graph_comes_to_an_end() {
    const PLACES: usize = 10;
    let mut lines = vec![format!(
        "a 1:{}",
        (0..=PLACES).map(|n| format!("p{n}")).collect::<Vec<_>>().join(";")
    )];
    for (project, place) in (0..=PLACES).flat_map(|project| (1..=PLACES).map(move |place| (project, place))) {
        let others = (0..=PLACES).filter(|other| *other != project);
        let alone: Vec<_> = others.map(|other| format!("p{other}!={place}")).collect();
        lines.push(format!("p{project} {place}:{}", alone.join(";")));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (pinned, notes) = pins(&shelf(&lines), "a");
    assert_eq!(pinned.len(), PLACES + 1);
    assert!(notes[0].ends_with("takes too long to find out"), "{notes:?}");
}

/// As many ways lead down as there are orders of the layers' projects; each release is solved once.
#[test]
fn a_deep_graph_is_solved_once_for_each_release() {
    const LAYERS: usize = 60;
    let mut lines = vec!["a 1:x0;y0".to_owned()];
    for layer in 0..LAYERS {
        let next = layer + 1;
        lines.extend(["x", "y"].map(|side| format!("{side}{layer} 1:x{next};y{next}")));
    }
    lines.extend(["x", "y"].map(|side| format!("{side}{LAYERS} 1")));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(
        pins(&shelf(&lines), "a"),
        (vec!["y0==1".to_owned(), "x0==1".to_owned()], vec![])
    );
}

/// 400 that all require each other took hours, for each request again: some steps for each release, for each way to it.
#[test]
fn a_hostile_knot_comes_to_an_end() {
    const PROJECTS: usize = 400;
    let lines: Vec<String> = (0..PROJECTS)
        .map(|project| {
            let others = (0..PROJECTS).filter(|other| *other != project);
            let others: Vec<_> = others.map(|other| format!("p{other}")).collect();
            format!("p{project} 1:{}", others.join(";"))
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (pinned, notes) = pins(&shelf(&lines), "p0");
    assert!(pinned.is_empty());
    assert_eq!(
        notes,
        ["the requirements lead to too many releases to follow them all: a board gets none of them"]
    );
}

#[test]
fn a_long_chain_takes_no_stack() {
    const LINKS: usize = 400;
    let mut lines = vec![format!(
        "a 1:{}",
        (0..LINKS).map(|n| format!("p{n}")).collect::<Vec<_>>().join(";")
    )];
    lines.extend((0..LINKS).map(|n| format!("p{n} 1:p{}", n + 1)));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let shelf = shelf(&lines);
    let small = std::thread::Builder::new().stack_size(128 << 10);
    let ended = small.spawn(move || pins(&shelf, "a")).unwrap().join();
    assert_eq!(ended.unwrap().0.len(), LINKS);
}

#[test]
fn another_choice_further_down_is_noted() {
    let shelf = shelf(&["a 1:b;c<2", "b 1:c", "c 1", "c 2"]);
    let (pinned, notes) = pins(&shelf, "a");
    assert_eq!(pinned, ["b==1", "c==1"]);
    assert_eq!(
        notes,
        ["c 1 is needed, but what b requires brings c 2: which of them stays depends on the client"]
    );
}

/// Follows what a board follows: pins, and what is passed on by name where it is here after all.
fn assert_ends(shelf: &Shelf, project: &ProjectName, version: &str, way: &mut Vec<String>) {
    let here = format!("{project} {version}");
    assert!(!way.contains(&here), "{way:?} leads back to {here}");
    way.push(here);
    let release = shelf.0[project]
        .iter()
        .find(|release| release.version.as_str() == version);
    let resolution = resolve(project, release.unwrap(), shelf);
    for pin in &resolution.pins {
        assert_ends(shelf, &pin.project, pin.version.as_str(), way);
    }
    for missing in &resolution.missing {
        let asked = name(&missing.name);
        let names = [alias(&asked), Some(asked)];
        assert!(names.iter().flatten().all(|name| !shelf.0.contains_key(name)));
    }
    way.pop();
}

proptest::proptest! {
    #[test]
    fn no_board_goes_round_in_circles(
        lines in proptest::collection::btree_map(
            "(micropython-)?[a-d] [1-3]",
            proptest::collection::vec("(micropython-)?[a-e](>=2|<3|==2|)", 0..4),
            1..9,
        ),
        yanked in 0..9_usize,
    ) {
        let lines: Vec<String> = lines.iter().map(|(release, required)| format!("{release}:{}", required.join(";"))).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut shelf = shelf(&lines);
        shelf.0.values_mut().flatten().skip(yanked).step_by(3).for_each(|release| release.yanked = true);
        for (project, releases) in &shelf.0 {
            for release in releases {
                assert_ends(&shelf, project, release.version.as_str(), &mut Vec::new());
            }
        }
    }
}
