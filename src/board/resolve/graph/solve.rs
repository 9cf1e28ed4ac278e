//! The versions of all requirements together, by PubGrub. Called by `graph.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;

use pubgrub::{
    Dependencies, DependencyConstraints, DependencyProvider, DerivationTree, External, PackageResolutionStatistics,
    PubGrubError, Ranges,
};

use super::Graph;
use crate::board::{Candidate, Requirement};
use crate::dist::ProjectName;

/// A release as an index into its project's releases by rising preference.
pub(super) type Choice = usize;

/// Most characters of the reason why there is no solution, and most of its parts that are looked up for it.
const MAX_REASON: usize = 500;
const MAX_PARTS: usize = 30;

/// Why PubGrub finds no solution.
type Conflict = DerivationTree<ProjectName, Ranges<Choice>, Never>;

/// PubGrub's view of the releases, with one of them fixed.
pub(super) struct Provider<'a> {
    pub(super) graph: &'a Graph<'a>,
    pub(super) root: &'a ProjectName,
    pub(super) release: &'a Candidate,
}

impl Provider<'_> {
    /// The chosen release of each project, or why there is none.
    pub(super) fn solve(&self) -> Result<Vec<(ProjectName, Choice)>, String> {
        match pubgrub::resolve(self, self.root.clone(), 0_usize) {
            Ok(solution) => Ok(solution
                .into_iter()
                .filter(|(project, _)| project != self.root)
                .collect()),
            Err(PubGrubError::NoSolution(conflict)) => Err(self.reason(&conflict)),
            Err(
                PubGrubError::ErrorInShouldCancel(error)
                | PubGrubError::ErrorChoosingVersion { source: error, .. }
                | PubGrubError::ErrorRetrievingDependencies { source: error, .. },
            ) => Err(error.to_string()),
        }
    }

    /// The releases of a project that fit all requirements of one release on it.
    fn constraints(&self, release: &Candidate, of: &ProjectName) -> DependencyConstraints<ProjectName, Ranges<Choice>> {
        let is_root = of == self.root;
        let mut constraints = BTreeMap::new();
        for requirement in &release.requires {
            let Some(project) = self.graph.find(requirement).filter(|project| project != of) else {
                continue;
            };
            let fitting = if project == *self.root {
                self.root_if(requirement)
            } else {
                self.graph.matching(&project, &requirement.range)
            };
            if is_root && fitting.is_empty() {
                continue;
            }
            let so_far = constraints.entry(project).or_insert_with(Ranges::full);
            *so_far = so_far.intersection(&ranges(&fitting));
        }
        constraints.into_iter().collect()
    }

    /// The requirements that exclude each other. PubGrub's own reporter would write choices, which say nothing to a person.
    fn reason(&self, conflict: &Conflict) -> String {
        let parts = dependencies(conflict).into_iter().take(MAX_PARTS);
        let told: BTreeSet<String> = parts.flat_map(|(of, range, on)| self.told(of, range, on)).collect();
        let reason = told.into_iter().collect::<Vec<_>>().join("; ");
        reason.chars().take(MAX_REASON).collect()
    }

    /// What the best release of a range, all of which lead to the same choices, requires of another project.
    fn told(&self, of: &ProjectName, range: &Ranges<Choice>, on: &ProjectName) -> Vec<String> {
        let releases = self.graph.releases(of);
        let release = if of == self.root {
            Some(self.release)
        } else {
            (0..releases.len())
                .rfind(|choice| range.contains(choice))
                .map(|choice| &releases[choice])
        };
        let told = |release: &Candidate| {
            let requires = release.requires.iter();
            let requires = requires.filter(|requirement| self.graph.find(requirement).as_ref() == Some(on));
            let told = requires.map(|requirement| format!("{of} {} requires {requirement}", release.version));
            told.collect()
        };
        release.map(told).unwrap_or_default()
    }

    fn root_if(&self, requirement: &Requirement) -> Vec<Choice> {
        if self.release.version.is_in(&requirement.range) {
            vec![0]
        } else {
            Vec::new()
        }
    }
}

/// What a conflict follows from: the releases of one project that require another, each part of the tree told once.
fn dependencies(conflict: &Conflict) -> Vec<(&ProjectName, &Ranges<Choice>, &ProjectName)> {
    let mut seen = BTreeSet::new();
    let mut open = vec![conflict];
    let mut dependencies = Vec::new();
    while let Some(part) = open.pop() {
        match part {
            DerivationTree::Derived(derived) => {
                if derived.shared_id.is_none_or(|id| seen.insert(id)) {
                    open.extend([&*derived.cause1, &*derived.cause2]);
                }
            }
            DerivationTree::External(External::FromDependencyOf(of, range, on, _)) => {
                dependencies.push((of, range, on));
            }
            // What there is none of is told by what requires it.
            DerivationTree::External(_) => {}
        }
    }
    dependencies
}

/// Rising choices as ranges, of which those that follow one another are one.
fn ranges(choices: &[Choice]) -> Ranges<Choice> {
    let runs = choices.chunk_by(|choice, next| choice + 1 == *next);
    let bounds = runs.filter_map(|run| Some((Bound::Included(*run.first()?), Bound::Excluded(run.last()? + 1))));
    bounds.collect()
}

impl DependencyProvider for Provider<'_> {
    type P = ProjectName;
    type V = Choice;
    type VS = Ranges<Choice>;
    type M = Never;
    type Priority = std::cmp::Reverse<usize>;
    type Err = TooHard;

    fn should_cancel(&self) -> Result<(), TooHard> {
        self.graph.take_step().then_some(()).ok_or(TooHard)
    }

    /// Those with the fewest releases to choose from go first.
    fn prioritize(
        &self,
        project: &ProjectName,
        range: &Ranges<Choice>,
        _: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let releases = self.graph.releases(project);
        std::cmp::Reverse((0..releases.len()).filter(|choice| range.contains(choice)).count())
    }

    fn choose_version(&self, project: &ProjectName, range: &Ranges<Choice>) -> Result<Option<Choice>, TooHard> {
        if project == self.root {
            return Ok(range.contains(&0).then_some(0));
        }
        Ok((0..self.graph.releases(project).len())
            .rev()
            .find(|choice| range.contains(choice)))
    }

    fn get_dependencies(
        &self,
        project: &ProjectName,
        choice: &Choice,
    ) -> Result<Dependencies<ProjectName, Ranges<Choice>, Never>, TooHard> {
        let constraints = if project == self.root {
            self.constraints(self.release, project)
        } else {
            self.constraints(&self.graph.releases(project)[*choice], project)
        };
        Ok(Dependencies::Available(constraints))
    }
}

/// All steps are taken and there is neither a solution nor a conflict.
#[derive(Debug, thiserror::Error)]
#[error("whether any versions suit each other takes too long to find out")]
pub(super) struct TooHard;

/// PubGrub's reason for a release without known dependencies, of which there is none here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
