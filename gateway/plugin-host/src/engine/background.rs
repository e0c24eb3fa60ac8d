//! Where guests that compute for long go on: threads that step back behind the ones that serve requests.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tracing::instrument::WithSubscriber;

/// The rest of a call.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What became of it.
pub(crate) enum Outcome<T> {
    /// It ended by itself, after so much of a processor's time.
    Ended(T, Duration),
    /// It used up the processor's time that it had.
    OutOfCpu,
    /// The gateway is going down.
    Stopped,
}

/// A ninth of the weight of a thread that serves requests (sched(7)). With less, a plugin that is slow and healthy would
/// have nothing left on a busy node.
const NICE: i32 = 10;
/// Threads at most: what computes for milliseconds is the exception, and looping guests shall not have more.
const MAX_THREADS: usize = 4;

/// Threads for half of the processors, started when they are first needed.
#[derive(Default)]
pub(crate) struct Background(OnceLock<Option<Runtime>>);

/// A plugin's turn: of all its work one piece runs at a time, so that it takes no more of these threads than any other.
#[derive(Clone)]
pub(crate) struct Turn(Arc<Semaphore>);

/// Work whose processor time is counted.
struct Metered<T> {
    work: Work<T>,
    turn: Turn,
    /// Taken anew for each poll of the work: who waits for an answer holds up nobody.
    held: Option<OwnedSemaphorePermit>,
    next: Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>,
    /// Of those who asked: sockets and timers of the work belong there, with theirs.
    of: Handle,
    used: Duration,
    limit: Duration,
}

/// Ends with its caller, who may have gone away.
struct Moved<T>(JoinHandle<T>);

// === impl Background ===

impl Background {
    /// Carries the work on when it is its turn, for no more than so much of a processor's time. It is looked at when it yields.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        turn: &Turn,
        work: Work<T>,
        limit: Duration,
    ) -> Outcome<T> {
        let metered = Metered {
            work,
            turn: turn.clone(),
            held: None,
            next: turn.next(),
            of: Handle::current(),
            used: Duration::ZERO,
            limit,
        };
        match self.0.get_or_init(start) {
            Some(threads) => Moved(threads.spawn(metered.with_current_subscriber())).await,
            None => metered.await,
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(Some(threads)) = self.0.take() {
            // To wait for them is not allowed where requests are served; guests end at their next tick.
            threads.shutdown_background();
        }
    }
}

fn start() -> Option<Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2).min(MAX_THREADS))
        .thread_name("plugin-slow")
        .on_thread_start(step_back)
        .build();
    threads
        .inspect_err(|error| tracing::warn!(%error, "slow plugins get no threads of their own and delay others"))
        .ok()
}

fn step_back() {
    // Of this thread alone: on Linux each has its own priority.
    let stepped = setpriority_process(None, NICE).map_err(io::Error::from);
    if let Err(error) = stepped.and_then(|()| be_batch()) {
        tracing::warn!(%error, "the threads of slow plugins cannot step back and may delay requests");
    }
}

/// Has this thread wait for its turn when it wakes, and interrupt nobody (sched(7), `SCHED_BATCH`): without it, one that
/// computes all the time makes a request on two busy processors wait half as long again.
fn be_batch() -> io::Result<()> {
    let no_priority: libc::c_int = 0;
    let this_thread: libc::pid_t = 0;
    // SAFETY: the kernel reads one `struct sched_param`, which is one int, and outlives the call. The C library's own
    // function is none in musl.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            this_thread,
            libc::SCHED_BATCH,
            &raw const no_priority,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

// === impl Turn ===

impl Turn {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// No work of the plugin runs for so long, as soon as all has run that waits now.
    pub(crate) fn rest(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let next = self.next();
        tokio::spawn(async move {
            let _turn = next.await;
            tokio::time::sleep(time).await;
        });
    }

    fn next(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>> {
        Box::pin(Arc::clone(&self.0).acquire_owned())
    }
}

// === impl Metered ===

impl<T> Future for Metered<T> {
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let of = self.of.clone();
        let _within = of.enter();
        let Some(_turn) = self.held.take() else {
            ready!(self.poll_turn(context));
            return Poll::Pending;
        };
        let before = thread_time();
        let polled = self.work.as_mut().poll(context);
        self.used += thread_time().saturating_sub(before);
        match polled {
            Poll::Ready(answer) => Poll::Ready(Outcome::Ended(answer, self.used)),
            Poll::Pending if self.used > self.limit => Poll::Ready(Outcome::OutOfCpu),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Metered<T> {
    /// Ready when it is the work's turn, at the next poll.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The semaphore is never closed.
        self.held = ready!(self.next.as_mut().poll(context)).ok();
        self.next = self.turn.next();
        // Whoever was given the turn just now would run before other plugins that have waited for longer: to the end of the line.
        context.waker().wake_by_ref();
        Poll::Ready(())
    }
}

/// What this thread has had of a processor: a wait for one does not count.
pub(crate) fn thread_time() -> Duration {
    // Of a clock that only goes forward, from zero.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

// === impl Moved ===

impl<T> Future for Moved<Outcome<T>> {
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|joined| match joined {
                Ok(outcome) => outcome,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Outcome::Stopped,
                },
            })
    }
}

impl<T> Drop for Moved<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rustix::process::getpriority_process;
    use tokio::sync::oneshot;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    async fn compute(time: Duration) {
        let start = thread_time();
        while thread_time() - start < time {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn work_goes_on_at_a_low_priority_and_its_time_is_told() {
        let background = Background::default();
        let usual = getpriority_process(None).unwrap();
        let work = Box::pin(async {
            compute(LIMIT / 5).await;
            getpriority_process(None).unwrap()
        });
        let Outcome::Ended(nice, used) = background.run(&Turn::new(), work, LIMIT).await else {
            panic!("it has time enough");
        };
        assert_eq!(nice, NICE);
        assert!(used >= LIMIT / 5 && used < LIMIT, "{used:?}");
        assert_eq!(getpriority_process(None).unwrap(), usual);
    }

    /// The 41st field of proc_pid_stat(5); the thread's name, the second, has no space.
    fn policy() -> libc::c_int {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        stat.split(' ').nth(40).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn work_that_wakes_interrupts_nobody() {
        let background = Background::default();
        let work = Box::pin(async { policy() });
        let outcome = background.run(&Turn::new(), work, LIMIT).await;
        assert!(matches!(outcome, Outcome::Ended(libc::SCHED_BATCH, _)));
        assert_eq!(policy(), libc::SCHED_OTHER);
    }

    #[tokio::test]
    async fn a_wait_is_no_processor_time_and_a_timer_is_of_those_who_asked() {
        let background = Background::default();
        let wait = Box::pin(tokio::time::sleep(LIMIT * 3));
        let outcome = background.run(&Turn::new(), wait, LIMIT).await;
        assert!(matches!(outcome, Outcome::Ended((), used) if used < LIMIT));
    }

    #[tokio::test]
    async fn what_used_up_its_time_is_ended_when_it_yields() {
        let background = Background::default();
        let endless = Box::pin(async {
            loop {
                compute(LIMIT / 5).await;
                tokio::task::yield_now().await;
            }
        });
        let outcome: Outcome<()> = background.run(&Turn::new(), endless, LIMIT).await;
        assert!(matches!(outcome, Outcome::OutOfCpu));
    }

    #[tokio::test]
    async fn work_ends_with_whoever_waits_for_it() {
        let background = Arc::new(Background::default());
        let (held, gone) = oneshot::channel::<()>();
        let work = Box::pin(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let waiting = tokio::spawn({
            let background = Arc::clone(&background);
            async move { background.run(&Turn::new(), work, LIMIT).await }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(gone.await.is_err());
    }

    /// Eight loops of one plugin and one of another: it has half of the time, not a ninth of it.
    #[tokio::test]
    async fn a_plugin_has_its_turn_however_much_work_another_one_has() {
        let background = Arc::new(Background::default());
        let spawn = |turn: &Turn, limit: Duration| {
            let (background, turn) = (Arc::clone(&background), turn.clone());
            tokio::spawn(async move {
                let work: Work<()> = Box::pin(async {
                    loop {
                        compute(LIMIT / 50).await;
                        tokio::task::yield_now().await;
                    }
                });
                background.run(&turn, work, limit).await
            })
        };
        let many = Turn::new();
        let loops: Vec<_> = (0..8).map(|_| spawn(&many, LIMIT)).collect();
        spawn(&Turn::new(), LIMIT).await.unwrap();
        let ended = loops.iter().filter(|task| task.is_finished()).count();
        assert_eq!(
            ended, 0,
            "of eight that had as much to do in the other half of the time"
        );
    }

    #[tokio::test]
    async fn a_rest_is_held_before_the_next_work_and_others_do_not_wait_for_it() {
        const REST: Duration = Duration::from_millis(500);
        let background = Background::default();
        let (resting, other) = (Turn::new(), Turn::new());
        resting.rest(REST);
        tokio::task::yield_now().await;
        let start = Instant::now();
        for turn in [&other, &resting] {
            let at_once = Box::pin(std::future::ready(start.elapsed()));
            background.run(turn, at_once, LIMIT).await;
            let waited = start.elapsed();
            assert_eq!(
                waited >= REST,
                Arc::ptr_eq(&turn.0, &resting.0),
                "{waited:?}"
            );
        }
    }

    #[tokio::test]
    async fn dropped_among_requests_it_waits_for_nobody() {
        let background = Background::default();
        let quick = Box::pin(std::future::ready(()));
        assert!(matches!(
            background.run(&Turn::new(), quick, LIMIT).await,
            Outcome::Ended(..)
        ));
        let start = Instant::now();
        drop(background);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
