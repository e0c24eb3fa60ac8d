//! Ready means that no start-up task is left. Each holds a named guard, so a probe says what is awaited. What is
//! wrong later is told beside it, and changes nothing about being ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

/// The start-up tasks that are not done, and what is wrong meanwhile. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness(Arc<State>);

#[derive(Default)]
struct State {
    tasks: Mutex<BTreeSet<&'static str>>,
    problems: Mutex<BTreeMap<&'static str, String>>,
}

/// One start-up task; dropping it says that the task is done.
pub struct Pending {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Registers a task.
    pub fn pending(&self, name: &'static str) -> Pending {
        self.0.tasks.lock().insert(name);
        Pending {
            readiness: self.clone(),
            name,
        }
    }

    /// The tasks that are not done; none when the program is ready.
    pub fn awaited(&self) -> Vec<&'static str> {
        self.0.tasks.lock().iter().copied().collect()
    }

    /// What is wrong about something, or that nothing is any more.
    pub fn tell(&self, about: &'static str, problem: Option<String>) {
        let mut problems = self.0.problems.lock();
        match problem {
            Some(problem) => problems.insert(about, problem),
            None => problems.remove(about),
        };
    }

    /// What is wrong, one line each.
    pub fn problems(&self) -> Vec<String> {
        let problems = self.0.problems.lock();
        let line = |(about, problem): (&&str, &String)| format!("{about}: {problem}");
        problems.iter().map(line).collect()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut tasks = self.readiness.0.tasks.lock();
        tasks.remove(self.name);
        let left: Vec<_> = tasks.iter().copied().collect();
        drop(tasks);
        match left.is_empty() {
            true => tracing::info!(done = self.name, "ready"),
            false => tracing::info!(done = self.name, awaited = ?left, "starting"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_ready_when_the_last_named_task_is_done() {
        let readiness = Readiness::default();
        let (plugins, source) = (readiness.pending("plugins"), readiness.pending("source"));
        drop(plugins);
        assert_eq!(readiness.awaited(), ["source"]);
        drop(source);
        assert!(readiness.awaited().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_until_it_is_not_and_changes_nothing_about_being_ready() {
        let readiness = Readiness::default();
        readiness.tell("plugins file", Some("it is empty".to_owned()));
        assert_eq!(readiness.problems(), ["plugins file: it is empty"]);
        assert!(readiness.awaited().is_empty());
        readiness.tell("plugins file", None);
        assert!(readiness.problems().is_empty());
    }
}
