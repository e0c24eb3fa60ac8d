//! Time, as guests feel it: a thread that moves the engine's epoch on while any call is under way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a running guest is looked at: it may hold a thread that serves requests for two of them.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// A thread of the operating system, because a guest that loops holds the runtime's own.
pub(super) struct Ticker {
    calls: Arc<Calls>,
    thread: Option<JoinHandle<()>>,
}

/// A call under way. Without one the thread sleeps: a gateway at rest wakes nobody.
pub(crate) struct UnderWay(Arc<Calls>);

#[derive(Default)]
struct Calls {
    under_way: AtomicUsize,
    is_over: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let calls = Arc::new(Calls::default());
        let seen = Arc::clone(&calls);
        let thread = thread::Builder::new()
            .name("plugin-ticker".into())
            .spawn(move || seen.tick(&engine))?;
        Ok(Self {
            calls,
            thread: Some(thread),
        })
    }

    /// From here until what it returns is dropped there are ticks.
    pub(super) fn begin(&self) -> UnderWay {
        if self.calls.under_way.fetch_add(1, Ordering::Relaxed) == 0 {
            self.wake();
        }
        UnderWay(Arc::clone(&self.calls))
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.calls.is_over.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has no result, and its panic would have been printed.
            let _ = thread.join();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Calls {
    fn tick(&self, engine: &EngineWeak) {
        while !self.is_over.load(Ordering::Relaxed) {
            if self.under_way.load(Ordering::Relaxed) == 0 {
                // Whoever begins a call wakes it afterwards, so that no call is missed.
                thread::park();
                continue;
            }
            thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{Engine, Store};

    use super::*;

    #[test]
    fn dropping_the_ticker_ends_its_thread_although_the_engine_lives_and_calls_are_under_way() {
        let engine = Engine::default();
        for is_busy in [false, true] {
            let ticker = Ticker::start(engine.weak()).unwrap();
            let _call = is_busy.then(|| ticker.begin());
            drop(ticker);
        }
    }

    #[test]
    fn a_ticker_without_an_engine_ends_by_itself() {
        let engine = Engine::default();
        let mut ticker = Ticker::start(engine.weak()).unwrap();
        let _call = ticker.begin();
        drop(engine);
        ticker.thread.take().unwrap().join().unwrap();
    }

    #[test]
    fn there_are_ticks_as_long_as_a_call_is_under_way_and_none_otherwise() {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).unwrap();
        let ticker = Ticker::start(engine.weak()).unwrap();
        assert!(!ticks(&engine));
        let first = ticker.begin();
        let second = ticker.begin();
        drop(first);
        assert!(ticks(&engine));
        drop(second);
        // One tick may still be on its way.
        thread::sleep(TICK * 10);
        assert!(!ticks(&engine));
        let _again = ticker.begin();
        assert!(ticks(&engine));
    }

    /// Whether the epoch moves within some ticks' time.
    fn ticks(engine: &Engine) -> bool {
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(1);
        let code = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
        let module = wasmtime::Module::new(engine, code).unwrap();
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        thread::sleep(TICK * 20);
        run.call(&mut store, ()).is_err()
    }
}
