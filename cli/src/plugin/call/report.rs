//! What came of the cases.

use podgate_plugin_host::World;
use serde::Serialize;
use serde_json::Value;

use super::compare::Difference;
use crate::plugin::file::ComponentFile;

/// All cases. Members keep their names and meanings from release to release; new ones may come.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    file: String,
    sha256: String,
    world: &'static str,
    cases: Vec<CaseReport>,
}

/// One case.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaseReport {
    pub(super) name: String,
    /// Empty where all is as expected.
    pub(super) differences: Vec<Difference>,
    /// The answer and the host calls.
    pub(super) found: Value,
}

// === impl Report ===

impl Report {
    pub(super) fn new(file: &ComponentFile, world: World, cases: Vec<CaseReport>) -> Self {
        Self {
            file: file.path.display().to_string(),
            sha256: file.sha256(),
            world: world.as_str(),
            cases,
        }
    }

    /// Whether all is as expected.
    pub(super) fn is_good(&self) -> bool {
        self.cases.iter().all(CaseReport::is_good)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let good = self.cases.iter().filter(|case| case.is_good()).count();
        let lines: String = self.cases.iter().map(CaseReport::text).collect();
        format!("{lines}{good} of {} cases as expected\n", self.cases.len())
    }
}

// === impl CaseReport ===

impl CaseReport {
    fn is_good(&self) -> bool {
        self.differences.is_empty()
    }

    fn text(&self) -> String {
        if self.is_good() {
            return format!("ok      {}\n", self.name);
        }
        let differences = self.differences.iter().map(difference);
        let why = self.found["why"].as_str();
        let why = why.map(|why| format!("        {why}\n"));
        let rest: String = differences.chain(why).collect();
        format!("WRONG   {}\n{rest}", self.name)
    }
}

/// JSON is YAML: what was found can be put into the file as it stands. JSON has no control characters either.
fn difference(difference: &Difference) -> String {
    let Difference {
        place,
        expected,
        found,
    } = difference;
    format!("        {place}\n          - {expected}\n          + {found}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(differences: Vec<Difference>) -> Report {
        let case = CaseReport {
            name: "a pod of shop is denied".into(),
            differences,
            found: json!({"verdict": "pass"}),
        };
        Report {
            file: "p.wasm".into(),
            sha256: "9f86".into(),
            world: "policy",
            cases: vec![case],
        }
    }

    #[test]
    fn a_difference_shows_both_sides_at_its_place() {
        let report = report(vec![Difference {
            place: "verdict".into(),
            expected: json!({"deny": "closed"}),
            found: json!("pass"),
        }]);
        let text = "\
WRONG   a pod of shop is denied
        verdict
          - {\"deny\":\"closed\"}
          + \"pass\"
0 of 1 cases as expected
";
        assert_eq!(report.text(), text);
        assert!(!report.is_good());
    }

    #[test]
    fn a_case_without_difference_is_one_line() {
        let report = report(Vec::new());
        let text = "ok      a pod of shop is denied\n1 of 1 cases as expected\n";
        assert_eq!(report.text(), text);
        assert!(report.is_good());
    }
}
