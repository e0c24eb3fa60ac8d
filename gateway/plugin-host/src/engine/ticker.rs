//! Time, as guests feel it: a thread that moves the engine's epoch on.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a running guest lets others run and looks at its limit: a tenth of the shortest usual limit.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A thread of the operating system, because a guest that loops holds the runtime's own.
pub(super) struct Ticker {
    /// Dropped first: its end is the thread's signal.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("plugin-ticker".into())
            .spawn(move || tick(&engine, &stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has no result, and its panic would have been printed.
            let _ = thread.join();
        }
    }
}

fn tick(engine: &EngineWeak, stopped: &mpsc::Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::*;

    #[test]
    fn dropping_the_ticker_ends_its_thread_although_the_engine_lives() {
        let engine = Engine::default();
        let mut ticker = Ticker::start(engine.weak()).unwrap();
        let thread = ticker.thread.take().unwrap();
        assert!(!thread.is_finished());
        drop(ticker);
        thread.join().unwrap();
    }

    #[test]
    fn a_ticker_without_an_engine_ends_by_itself() {
        let engine = Engine::default();
        let mut ticker = Ticker::start(engine.weak()).unwrap();
        drop(engine);
        ticker.thread.take().unwrap().join().unwrap();
    }
}
