//! How long a call takes on a machine that others use as well.

use std::time::Instant;

use anyhow::{Result, ensure};

/// Batches of each measurement.
const BATCHES: usize = 5;

/// Microseconds per call, the best of five batches: whatever else runs can only lengthen it.
pub(super) async fn timed(calls: u32, mut call: impl AsyncFnMut() -> bool) -> Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..calls {
            ensure!(call().await, "a call of a plugin failed");
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
    }
    Ok(best)
}
