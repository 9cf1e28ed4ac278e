//! Requirements pinned to the releases that are here: exact, ordered and without cycles, as boards need them.
//! Called by `index/`, which knows the releases.
//!
//! upip and mip follow the pins of each release in turn; so a release pins only what it requires itself, and what that
//! requires stands in its own tarball and manifest. The versions are solved for all of them together, by PubGrub.

mod graph;

use std::collections::BTreeSet;
use std::fmt;

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

/// As a requirement, which `requires.txt` holds.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.project, self.version)
    }
}

/// A requirement that this server does not have in any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The project's name as the requirement writes it: other indexes may know no other spelling.
    pub name: String,
    /// The version that mip asks for: the one that the requirement names, or `latest`.
    pub version: String,
}

/// What a release pins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// What it requires itself: each before what it requires in turn, so that its own choice of a version comes last; and
    /// those that lead to something that is not here after all others.
    pub pins: Vec<Pin>,
    /// What is not here at all, to be passed on by name to mip, after the pins.
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
    let resolution = resolve_in(&graph, project, release);
    if graph.is_worn_out() {
        return Resolution {
            notes: vec![
                "the requirements lead to too many releases to follow them all: a board gets none of them".to_owned(),
            ],
            ..Resolution::default()
        };
    }
    resolution
}

fn resolve_in(graph: &Graph<'_>, project: &ProjectName, release: &Candidate) -> Resolution {
    let mut resolution = Resolution::default();
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
        if pin.project < root.project && graph.reaches(&pin, &root) {
            resolution.notes.push(format!(
                "{} is left out: it requires {} itself, and a board would go round in circles",
                pin.project, root.project
            ));
        } else {
            resolution.pins.push(pin);
        }
    }
    // mip ends at the first requirement that it finds nowhere; so it gets what is whole before that.
    resolution.pins.sort_by_cached_key(|pin| graph.leads_astray(pin));
    resolution
        .notes
        .extend(graph.disagreements(&resolution.pins, &solution));
    let followed = graph.followed(&resolution.pins);
    for requirement in &release.requires {
        explain(graph, requirement, &followed, &mut resolution);
    }
    resolution
}

/// Notes a requirement that is not here, or not in a version that would do. Passed on by name is only what is not here at
/// all: mip asks this server first, and any other release of the project may lead back to this one.
fn explain(graph: &Graph<'_>, requirement: &Requirement, followed: &BTreeSet<Pin>, resolution: &mut Resolution) {
    let fits = |found| !graph.matching(&found, &requirement.range).is_empty();
    if graph.find(requirement).is_some_and(fits) {
        return;
    }
    if !graph.is_missing(requirement) {
        let outcome = match Graph::named(requirement, followed) {
            Some(pin) => format!("gets {} {}, as others require it", pin.project, pin.version),
            None => "goes without it".to_owned(),
        };
        resolution.notes.push(format!(
            "{requirement} is required, and no release here will do: a board {outcome}"
        ));
        return;
    }
    let Requirement { name, range } = requirement;
    resolution.notes.push(format!(
        "{name} is required and is not here: mip asks for it by name, upip goes without it"
    ));
    resolution.missing.push(Missing {
        name: name.clone(),
        version: exact(range).map_or_else(|| "latest".to_owned(), ToString::to_string),
    });
}

/// The one version that a range names.
fn exact(range: &VersionSpecifiers) -> Option<&Version> {
    let is_exact = |only: &&VersionSpecifier| matches!(only.operator(), Operator::Equal | Operator::ExactEqual);
    range.iter().find(is_exact).map(VersionSpecifier::version)
}

#[cfg(test)]
mod tests;
