//! Figures, as a table for people and as JSON for programs.

use std::fmt;

use serde::Serialize;

use super::proc;

/// All figures of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What it ran on.
    pub machine: String,
    /// The figures, in the order they were measured.
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// Whose it is.
    pub subject: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The value over that of the subject `against`, where there is one to compare with.
    pub ratio: Option<f64>,
    /// Which subject that is.
    pub against: Option<String>,
    /// What it should be at the most, or at the least.
    pub budget: Option<&'static str>,
}

impl Report {
    /// An empty report of this machine.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            machine: proc::machine(),
            figures: Vec::new(),
        })
    }

    /// Adds a figure.
    pub fn add(
        &mut self,
        what: &str,
        subject: &str,
        value: f64,
        unit: &'static str,
    ) -> &mut Figure {
        self.figures.push(Figure {
            what: what.to_owned(),
            subject: subject.to_owned(),
            value,
            unit,
            ratio: None,
            against: None,
            budget: None,
        });
        let last = self.figures.len() - 1;
        &mut self.figures[last]
    }
}

impl Figure {
    /// Compares it.
    pub fn against(&mut self, subject: &str, value: f64) -> &mut Self {
        self.ratio = Some(self.value / value);
        self.against = Some(subject.to_owned());
        self
    }

    /// Says what it may be.
    pub fn budget(&mut self, budget: &'static str) -> &mut Self {
        self.budget = Some(budget);
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.machine)?;
        for figure in &self.figures {
            let Figure {
                what,
                subject,
                value,
                unit,
                ..
            } = figure;
            write!(f, "{what:<46} {subject:<24} {value:>11.2} {unit:<6}")?;
            if let (Some(ratio), Some(against)) = (figure.ratio, &figure.against) {
                write!(f, " {ratio:>6.2} × {against}")?;
            }
            if let Some(budget) = figure.budget {
                write!(f, "   (budget {budget})")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
