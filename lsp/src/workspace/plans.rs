//! Plans that were shown to a person and not yet carried out. A plan is good for one use, for a
//! limited time, for the version that was shown, and only until something newer was made of its
//! project. No clock: the caller brings the time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a plan may be carried out.
pub(crate) const PLAN_LIFETIME: Duration = Duration::from_mins(10);
/// How many plans are kept; the oldest make room.
const PLANS_MAX: usize = 32;

/// A plan with what is needed to carry it out.
#[derive(Debug)]
struct Stored<T> {
    folder: PathBuf,
    version: String,
    made: Instant,
    what: T,
}

/// All plans that can still be carried out.
#[derive(Debug)]
pub(crate) struct Plans<T = crate::verbs::Prepared> {
    next: u64,
    stored: BTreeMap<u64, Stored<T>>,
}

impl<T> Default for Plans<T> {
    fn default() -> Self {
        Self {
            next: 1,
            stored: BTreeMap::new(),
        }
    }
}

impl<T> Plans<T> {
    /// Keeps a plan and gives it a name. It replaces the plans of the same project.
    pub(crate) fn keep(
        &mut self,
        folder: PathBuf,
        version: String,
        now: Instant,
        what: T,
    ) -> String {
        self.drop_project(&folder);
        while self.stored.len() >= PLANS_MAX {
            self.stored.pop_first();
        }
        let number = self.next;
        self.next += 1;
        self.stored.insert(
            number,
            Stored {
                folder,
                version,
                made: now,
                what,
            },
        );
        format!("plan-{number}")
    }

    /// Makes the plans of a project stale: its image has changed.
    pub(crate) fn drop_project(&mut self, folder: &Path) {
        self.stored.retain(|_, plan| plan.folder != folder);
    }

    /// Which project a plan belongs to, if it can still be carried out.
    pub(crate) fn project_of(&self, name: &str) -> Option<&Path> {
        self.stored
            .get(&number_of(name)?)
            .map(|plan| plan.folder.as_path())
    }

    /// Takes a plan out to carry it out.
    ///
    /// # Errors
    /// Why it is stale, for people. A plan that is too old is gone afterwards; one that was asked
    /// for with another version stays.
    pub(crate) fn take(
        &mut self,
        name: &str,
        version: Option<&str>,
        now: Instant,
    ) -> Result<(PathBuf, T), String> {
        const AGAIN: &str = "ask for the update again";
        let unknown = || format!("this plan was used, or the project has changed since: {AGAIN}");
        let number = number_of(name).ok_or_else(unknown)?;
        let plan = self.stored.get(&number).ok_or_else(unknown)?;
        if let Some(version) = version.filter(|version| *version != plan.version) {
            let planned = &plan.version;
            return Err(format!(
                "the plan is for version {planned}, not for {version}: {AGAIN}"
            ));
        }
        let age = now.saturating_duration_since(plan.made);
        let plan = self.stored.remove(&number).ok_or_else(unknown)?;
        if age > PLAN_LIFETIME {
            return Err(format!(
                "this plan is {} minutes old: {AGAIN}",
                age.as_secs() / 60
            ));
        }
        Ok((plan.folder, plan.what))
    }
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("plan-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    // A40: only what a person has seen is done, and only once.
    use super::*;

    fn plans() -> (Plans<u8>, String, Instant) {
        let now = Instant::now();
        let mut plans = Plans::default();
        let name = plans.keep(PathBuf::from("/p"), "1.0.0+1".to_owned(), now, 7);
        (plans, name, now)
    }

    #[test]
    fn a_plan_is_good_once() {
        let (mut plans, name, now) = plans();
        assert_eq!(
            plans.take(&name, Some("1.0.0+1"), now),
            Ok((PathBuf::from("/p"), 7))
        );
        assert!(plans.take(&name, None, now).is_err());
    }

    #[test]
    fn an_old_plan_is_refused() {
        let (mut plans, name, now) = plans();
        let late = now + PLAN_LIFETIME + Duration::from_secs(1);
        let refusal = plans.take(&name, None, late).expect_err("too old");
        assert!(refusal.contains("10 minutes old"), "{refusal}");
        assert!(plans.take(&name, None, now).is_err(), "it is gone");
    }

    #[test]
    fn another_version_is_refused_and_the_plan_stays() {
        let (mut plans, name, now) = plans();
        assert!(plans.take(&name, Some("2.0.0"), now).is_err());
        assert!(plans.take(&name, Some("1.0.0+1"), now).is_ok());
    }

    #[test]
    fn a_new_build_makes_plans_stale() {
        let (mut plans, name, now) = plans();
        plans.drop_project(Path::new("/other"));
        assert!(plans.project_of(&name).is_some());
        plans.drop_project(Path::new("/p"));
        assert!(plans.take(&name, None, now).is_err());
    }

    #[test]
    fn names_that_are_no_plans_are_refused() {
        let (mut plans, _, now) = plans();
        for name in ["", "plan-", "plan-x", "plan-99999999999999999999", "1"] {
            assert!(plans.take(name, None, now).is_err(), "{name}");
        }
    }
}
