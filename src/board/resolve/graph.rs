//! Which release leads to which: the pins of pins, as a board would follow them. Called by `resolve.rs`.

mod solve;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use pep440_rs::VersionSpecifiers;

use self::solve::{Choice, Provider};
use super::{Candidate, Pin, Universe, alias, exact};
use crate::board::Requirement;
use crate::dist::ProjectName;

/// The chosen release of each project that is required directly or further down.
pub(super) type Solution = BTreeMap<ProjectName, Choice>;

/// Most decisions that PubGrub makes for a release: solving is NP-hard, and uploads are anyone's. Once they were too few,
/// nothing else of the graph is solved.
const MAX_STEPS: u32 = 300;

/// Most that is done for a release in all, in comparisons of versions, of which a Raspberry Pi makes some million a second. A
/// few hundred projects that all require each other would take thousands of times that, though each step is a small one.
const MAX_WORK: usize = 10_000_000;

/// What it costs to look for a required project, or to follow a pin.
const LOOK: usize = 20;

/// A step of the way through a solution.
enum Step {
    Into(ProjectName),
    Past(Pin),
}

/// The releases that are here, each project asked for once, and each release solved once.
pub(super) struct Graph<'a> {
    universe: &'a dyn Universe,
    known: RefCell<BTreeMap<ProjectName, Rc<Vec<Candidate>>>>,
    pinned: RefCell<BTreeMap<Pin, Rc<Vec<Pin>>>>,
    /// Which releases require something that is not here at all.
    lacking: RefCell<BTreeMap<Pin, bool>>,
    steps: Cell<u32>,
    work: Cell<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(universe: &'a dyn Universe) -> Self {
        Self {
            universe,
            known: RefCell::default(),
            pinned: RefCell::default(),
            lacking: RefCell::default(),
            steps: Cell::new(MAX_STEPS),
            work: Cell::new(MAX_WORK),
        }
    }

    /// One step less is left; false when there was none.
    pub(super) fn take_step(&self) -> bool {
        let left = self.steps.get().checked_sub(1);
        self.steps.set(left.unwrap_or(0));
        left.is_some() && !self.is_worn_out()
    }

    /// Whether there was too much to do: what has been found since is not all.
    pub(super) fn is_worn_out(&self) -> bool {
        self.work.get() == 0
    }

    /// False when too little is left for this much work.
    fn work(&self, amount: usize) -> bool {
        self.work.set(self.work.get().saturating_sub(amount));
        !self.is_worn_out()
    }

    /// A project's releases by rising preference: yanked ones below pre-releases, and those below all others.
    pub(super) fn releases(&self, project: &ProjectName) -> Rc<Vec<Candidate>> {
        if let Some(known) = self.known.borrow().get(project) {
            return Rc::clone(known);
        }
        let mut releases = self.universe.releases(project);
        let preference = |release: &Candidate| (!release.yanked, release.version.is_stable());
        releases.sort_by(|a, b| (preference(a), &a.version).cmp(&(preference(b), &b.version)));
        let releases = Rc::new(releases);
        self.known.borrow_mut().insert(project.clone(), Rc::clone(&releases));
        releases
    }

    /// The names that a requirement may mean: its own, and the one with or without `micropython-`.
    fn names(requirement: &Requirement) -> impl Iterator<Item = ProjectName> {
        let own = ProjectName::parse(&requirement.name).ok();
        let other = own.as_ref().and_then(alias);
        own.into_iter().chain(other)
    }

    /// The first release of what is required that a board comes by, whether it will do or not.
    pub(super) fn named<'p>(requirement: &Requirement, followed: &'p BTreeSet<Pin>) -> Option<&'p Pin> {
        Self::names(requirement).find_map(|name| followed.iter().find(|pin| pin.project == name))
    }

    /// The name under which a requirement is here: the first with a release that is not yanked, or that it names itself.
    pub(super) fn find(&self, requirement: &Requirement) -> Option<ProjectName> {
        if !self.work(LOOK) {
            return None;
        }
        let is_here = |project: &ProjectName| {
            let is_current = self.releases(project).iter().any(|release| !release.yanked);
            is_current || !self.matching(project, &requirement.range).is_empty()
        };
        Self::names(requirement).find(is_here)
    }

    /// Whether there is no release at all of what is required, not even one that would not do.
    pub(super) fn is_missing(&self, requirement: &Requirement) -> bool {
        let mut names = Self::names(requirement).peekable();
        names.peek().is_some() && names.all(|project| self.releases(&project).is_empty())
    }

    /// The releases of a project that are in a range; the yanked ones if the range names exactly one version.
    pub(super) fn matching(&self, project: &ProjectName, range: &VersionSpecifiers) -> Vec<Choice> {
        let is_exact = exact(range).is_some();
        let fits = |release: &Candidate| (is_exact || !release.yanked) && release.version.is_in(range);
        let releases = self.releases(project);
        if !self.work(releases.len() * range.len()) {
            return Vec::new();
        }
        (0..releases.len()).filter(|choice| fits(&releases[*choice])).collect()
    }

    /// Versions for everything that a release needs, or why there are none.
    pub(super) fn solve(&self, project: &ProjectName, release: &Candidate) -> Result<Solution, String> {
        let provider = Provider {
            graph: self,
            root: project,
            release,
        };
        let solution = provider.solve();
        if self.steps.get() > 0 {
            self.steps.set(MAX_STEPS);
        }
        Ok(solution?.into_iter().collect())
    }

    /// The best release for each requirement without regard to the others.
    pub(super) fn each_alone(&self, project: &ProjectName, release: &Candidate) -> Solution {
        let best = |requirement: &Requirement| {
            let found = self.find(requirement).filter(|found| found != project)?;
            let choice = *self.matching(&found, &requirement.range).last()?;
            Some((found, choice))
        };
        release.requires.iter().filter_map(best).collect()
    }

    /// What a release requires itself, at the versions of a solution: each before what it requires in turn.
    pub(super) fn direct(&self, root: &Pin, release: &Candidate, solution: &Solution) -> Vec<Pin> {
        let wanted = self.required(release);
        let mut order = self.in_order(root, &wanted, solution);
        order.reverse();
        order.retain(|pin| wanted.contains(&pin.project));
        order
    }

    /// What is wanted of a solution, and all that it leads to: each after what it requires.
    fn in_order(&self, root: &Pin, wanted: &BTreeSet<ProjectName>, solution: &Solution) -> Vec<Pin> {
        let mut done = BTreeSet::from([root.project.clone()]);
        let mut order = Vec::new();
        // No recursion: uploads are anyone's, and a stack is small.
        let mut open: Vec<Step> = wanted.iter().rev().cloned().map(Step::Into).collect();
        while let Some(step) = open.pop() {
            match step {
                Step::Past(pin) => order.push(pin),
                Step::Into(project) => {
                    let Some(choice) = solution.get(&project).filter(|_| done.insert(project.clone())) else {
                        continue;
                    };
                    let release = &self.releases(&project)[*choice];
                    let version = release.version.clone();
                    open.push(Step::Past(Pin { project, version }));
                    open.extend(self.required(release).into_iter().rev().map(Step::Into));
                }
            }
        }
        order
    }

    fn required(&self, release: &Candidate) -> BTreeSet<ProjectName> {
        release
            .requires
            .iter()
            .filter_map(|requirement| self.find(requirement))
            .collect()
    }

    /// Whether a board that follows the pins from one release comes by another.
    pub(super) fn reaches(&self, from: &Pin, to: &Pin) -> bool {
        self.followed(std::slice::from_ref(from)).contains(to)
    }

    /// Whether a board that follows the pins from a release comes by a requirement that is not here at all.
    pub(super) fn leads_astray(&self, from: &Pin) -> bool {
        let followed = self.followed(std::slice::from_ref(from));
        followed.iter().any(|pin| self.lacks_something(pin))
    }

    fn lacks_something(&self, pin: &Pin) -> bool {
        if let Some(known) = self.lacking.borrow().get(pin) {
            return *known;
        }
        let required = self.release(pin).map(|release| release.requires).unwrap_or_default();
        let lacks = required.iter().any(|requirement| self.is_missing(requirement));
        self.lacking.borrow_mut().insert(pin.clone(), lacks);
        lacks
    }

    fn release(&self, pin: &Pin) -> Option<Candidate> {
        let releases = self.releases(&pin.project);
        releases.iter().find(|release| release.version == pin.version).cloned()
    }

    /// Every release that a board comes by when it follows pins, the cycles below them not yet broken.
    pub(super) fn followed(&self, pins: &[Pin]) -> BTreeSet<Pin> {
        let mut seen = BTreeSet::new();
        let mut open = pins.to_vec();
        while let Some(pin) = open.pop() {
            if seen.insert(pin.clone()) {
                let pins = self.pins_of(&pin);
                if !self.work(LOOK * pins.len()) {
                    break;
                }
                open.extend_from_slice(&pins);
            }
        }
        seen
    }

    fn pins_of(&self, pin: &Pin) -> Rc<Vec<Pin>> {
        if let Some(known) = self.pinned.borrow().get(pin) {
            return Rc::clone(known);
        }
        let pins = Rc::new(self.pin(pin));
        self.pinned.borrow_mut().insert(pin.clone(), Rc::clone(&pins));
        pins
    }

    fn pin(&self, pin: &Pin) -> Vec<Pin> {
        let Some(release) = self.release(pin) else {
            return Vec::new();
        };
        let solution = self
            .solve(&pin.project, &release)
            .unwrap_or_else(|_| self.each_alone(&pin.project, &release));
        self.direct(pin, &release, &solution)
    }

    /// Where following the pins brings another version than the solution has.
    pub(super) fn disagreements(&self, pins: &[Pin], solution: &Solution) -> Vec<String> {
        let mut notes = Vec::new();
        for pin in pins {
            for brought in self.followed(&self.pins_of(pin)) {
                let Some(choice) = solution.get(&brought.project) else {
                    continue;
                };
                let chosen = &self.releases(&brought.project)[*choice].version;
                if *chosen != brought.version {
                    notes.push(format!(
                        "{0} {chosen} is needed, but what {1} requires brings {0} {2}: which of them stays depends on the client",
                        brought.project, pin.project, brought.version
                    ));
                }
            }
        }
        notes
    }
}
