//! A thread that starts programs and outlives none of them: the kernel kills a child when the thread that
//! started it ends, and a worker of an async runtime may end at any time.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail, ensure};

#[cfg(test)]
mod tests;

/// Becomes its arguments, unless the process whose number it got is no longer its parent. A signal on the
/// parent's death is set by the child itself, so a parent that is killed before that would never cause it.
const WHILE_OWNED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// How to start a program.
#[derive(Clone)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) log: PathBuf,
}

/// The thread.
pub(super) struct Keeper {
    orders: Option<SyncSender<(Order, SyncSender<Result<()>>)>>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Run(Program),
    Again(&'static str),
    Stop(&'static str),
    Signal(&'static str, &'static str),
    Check(&'static str),
}

struct Running {
    program: Program,
    child: Option<Child>,
}

impl Keeper {
    pub(super) fn start() -> Self {
        let (orders, received) = sync_channel(0);
        let thread = std::thread::spawn(move || keep(&received));
        Self {
            orders: Some(orders),
            thread: Some(thread),
        }
    }

    pub(super) fn run(&self, program: Program) -> Result<()> {
        self.order(Order::Run(program))
    }

    /// Starts again what was stopped.
    pub(super) fn again(&self, name: &'static str) -> Result<()> {
        self.order(Order::Again(name))
    }

    /// Ends it, and waits until it has.
    pub(super) fn stop(&self, name: &'static str) -> Result<()> {
        self.order(Order::Stop(name))
    }

    pub(super) fn signal(&self, name: &'static str, signal: &'static str) -> Result<()> {
        self.order(Order::Signal(name, signal))
    }

    /// Fails when it has ended by itself.
    pub(super) fn check(&self, name: &'static str) -> Result<()> {
        self.order(Order::Check(name))
    }

    fn order(&self, order: Order) -> Result<()> {
        let (done, outcome) = sync_channel(1);
        let orders = self.orders.as_ref().context("the keeper has ended")?;
        orders
            .send((order, done))
            .ok()
            .context("the keeper has ended")?;
        outcome.recv().context("the keeper has ended")?
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A keeper that panicked has taken its children with it.
            let _ = thread.join();
        }
    }
}

fn keep(orders: &Receiver<(Order, SyncSender<Result<()>>)>) {
    let mut running = Vec::new();
    while let Ok((order, done)) = orders.recv() {
        // Nobody waits for the outcome of a cancelled order.
        let _ = done.send(obey(&mut running, order));
    }
    // The API server first: it would only complain about a missing etcd.
    for running in running.iter_mut().rev() {
        let _ = running.stop();
    }
}

fn obey(running: &mut Vec<Running>, order: Order) -> Result<()> {
    match order {
        Order::Run(program) => {
            let child = Some(spawn(&program)?);
            running.push(Running { program, child });
            Ok(())
        }
        Order::Again(name) => find(running, name)?.again(),
        Order::Stop(name) => find(running, name)?.stop(),
        Order::Signal(name, signal) => find(running, name)?.signal(signal),
        Order::Check(name) => find(running, name)?.check(),
    }
}

fn find<'a>(running: &'a mut [Running], name: &str) -> Result<&'a mut Running> {
    let mut running = running.iter_mut();
    running
        .find(|running| running.program.name == name)
        .with_context(|| format!("{name} was never started"))
}

impl Running {
    fn again(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.program.name);
        self.child = Some(spawn(&self.program)?);
        Ok(())
    }

    /// At once: nothing that it holds is worth a graceful end.
    fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            bail!("{} does not run", self.program.name);
        };
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        let name = self.program.name;
        let child = self.child.as_mut();
        let child = child.with_context(|| format!("{name} does not run"))?;
        match child.try_wait()? {
            Some(status) => bail!("{name} ended with {status}"),
            None => Ok(()),
        }
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let child = self
            .child
            .as_ref()
            .with_context(|| format!("{} does not run", self.program.name))?;
        let status = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status()?;
        ensure!(status.success(), "kill -s {signal}: {status}");
        Ok(())
    }
}

fn spawn(program: &Program) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(&program.log)?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "sh", "-c", WHILE_OWNED])
        .arg(std::process::id().to_string())
        .arg(&program.path)
        .args(&program.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command.spawn().with_context(|| format!("{command:?}"))
}
