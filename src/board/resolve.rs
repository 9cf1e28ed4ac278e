//! Requirements pinned to the releases that are here: exact, ordered and without cycles, as boards need them.
//! Called by `index/`, which knows the releases.
//!
//! upip and mip follow the pins of each release in turn; so a release pins only what it requires itself, and what that
//! requires stands in its own tarball and manifest. The versions are solved for all of them together, by PubGrub.

mod graph;
mod solve;

use crate::board::Requirement;
use crate::dist::{ProjectName, ReleaseVersion};
use graph::Graph;
use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

/// A release that may be pinned.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its version.
    pub version: ReleaseVersion,
    /// What its [`View`](super::View) says that it requires.
    pub requires: Vec<Requirement>,
    /// Only what requires exactly this version gets it. (Source: PEP 592.)
    pub yanked: bool,
}

/// The releases that are here.
pub trait Universe {
    /// The releases of a project that a board can get; none when the project is not here. In any order.
    fn releases(&self, project: &ProjectName) -> Vec<Candidate>;
}

/// A project and the exact version of it that a board gets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The project, by the name that it has here.
    pub project: ProjectName,
    /// The version as the release writes it.
    pub version: ReleaseVersion,
}

/// A requirement that this server does not have, or not in a version that would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The project's name as the requirement writes it: other indexes may know no other spelling.
    pub written: String,
    /// The version, where the requirement names one.
    pub exact: Option<String>,
}

impl Missing {
    /// The name that mip asks for.
    pub fn name(&self) -> &str {
        &self.written
    }

    /// The version that mip asks for.
    pub fn version(&self) -> &str {
        self.exact.as_deref().unwrap_or("latest")
    }
}

/// What a release pins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// What it requires itself: each before what it requires in turn, so that its own choice of a version comes last.
    pub pins: Vec<Pin>,
    /// What is not here, to be passed on by name to mip.
    pub missing: Vec<Missing>,
    /// What could not be pinned and why, for the release's page.
    pub notes: Vec<String>,
}

/// `micropython-foo` for `foo` and the reverse: the name to look for when a project is not here.
pub fn alias(project: &ProjectName) -> Option<ProjectName> {
    let other = match project.as_str().strip_prefix("micropython-") {
        Some(short) => short.to_owned(),
        None => format!("micropython-{project}"),
    };
    ProjectName::parse(&other).ok()
}

/// Pins the requirements of one release.
pub fn resolve(project: &ProjectName, release: &Candidate, universe: &dyn Universe) -> Resolution {
    let graph = Graph::new(universe);
    let mut resolution = Resolution::default();
    for requirement in &release.requires {
        explain(&graph, requirement, &mut resolution);
    }
    let solution = match graph.solve(project, release) {
        Ok(solution) => solution,
        Err(conflict) => {
            resolution.notes.push(format!(
                "the requirements exclude each other, so each is taken alone: {conflict}"
            ));
            graph.each_alone(project, release)
        }
    };
    let root = Pin {
        project: project.clone(),
        version: release.version.clone(),
    };
    for pin in graph.direct(&root, release, &solution) {
        match pin.project < root.project && graph.reaches(&pin, &root) {
            true => resolution.notes.push(format!(
                "{} is left out: it requires {} itself, and a board would go round in circles",
                pin.project, root.project
            )),
            false => resolution.pins.push(pin),
        }
    }
    resolution
        .notes
        .extend(graph.disagreements(&resolution.pins, &solution));
    resolution
}

/// Notes a requirement that is not here, or not in a version that would do.
fn explain(graph: &Graph<'_>, requirement: &Requirement, resolution: &mut Resolution) {
    let Ok(project) = ProjectName::parse(&requirement.name) else {
        return;
    };
    let problem = match graph.locate(&project) {
        None => format!("{} is required and is not here", requirement.name),
        Some(found) if graph.matching(&found, &requirement.range).is_empty() => {
            format!(
                "{} {} is required, and no release here will do",
                requirement.name, requirement.range
            )
        }
        Some(_) => return,
    };
    resolution
        .notes
        .push(format!("{problem}: mip asks for it by name, upip goes without it"));
    resolution.missing.push(Missing {
        written: requirement.name.clone(),
        exact: exact(&requirement.range).map(ToString::to_string),
    });
}

/// The one version that a range names.
fn exact(range: &VersionSpecifiers) -> Option<&Version> {
    let is_exact = |only: &&VersionSpecifier| matches!(only.operator(), Operator::Equal | Operator::ExactEqual);
    range.iter().find(is_exact).map(VersionSpecifier::version)
}

#[cfg(test)]
mod tests {
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
            resolution
                .pins
                .iter()
                .map(|pin| format!("{}=={}", pin.project, pin.version))
                .collect(),
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
    fn prefixed_names_find_each_other() {
        let shelf = shelf(&["a 1:micropython-b;c", "b 1", "micropython-c 2"]);
        assert_eq!(
            pins(&shelf, "a"),
            (vec!["micropython-c==2".to_owned(), "b==1".to_owned()], vec![])
        );
    }

    #[test]
    fn what_is_not_here_is_passed_on_by_name() {
        let shelf = shelf(&["a 1:umqtt.simple;y==1.5;b>2;b==3", "b 1"]);
        let resolution = resolve(&name("a"), &shelf.0[&name("a")][0], &shelf);
        let missing: Vec<_> = resolution
            .missing
            .iter()
            .map(|missing| (missing.name(), missing.version()))
            .collect();
        assert_eq!(
            missing,
            [("umqtt.simple", "latest"), ("y", "1.5"), ("b", "latest"), ("b", "3")]
        );
        assert!(resolution.pins.is_empty());
        assert_eq!(
            resolution.notes[3],
            "b ==3 is required, and no release here will do: mip asks for it by name, upip goes without it"
        );
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
        assert!(notes[0].starts_with("the requirements exclude each other"), "{notes:?}");
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
}
