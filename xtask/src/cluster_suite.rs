//! podgate on a cluster of real nodes: images of what cargo built, real helm, the cases of tests/e2e's program.

use std::process::Command;

use anyhow::Result;

use crate::process::{build_with_tests, run};
use crate::test::Skip;
use crate::workspace::{installed, program};
use crate::{chart, cluster, images};

/// Every case; the report is kept.
pub(crate) fn prove() -> Result<Option<Skip>> {
    if let Some(missing) = cluster::build_nodes()? {
        return Ok(Some(missing));
    }
    let helm = match chart::helm()? {
        Ok(helm) => helm,
        Err(missing) => return Ok(Some(missing)),
    };
    build_with_tests()?;
    let folder = images::dev_folder();
    images::for_tests(&folder)?;
    let report = installed("reports").join("cluster-suite.json");
    let mut suite = Command::new(program("debug", "cluster-suite"));
    suite.arg("--images").arg(folder);
    suite.arg("--helm").arg(helm);
    run(suite.arg("--report").arg(&report))?;
    println!("the report is kept in {}", report.display());
    Ok(None)
}
