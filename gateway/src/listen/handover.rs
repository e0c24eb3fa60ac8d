//! The last acts of a listener: new connections go to the other gateway, what is queued is accepted, then it closes.
//!
//! A listener that closes resets what is in its accept queue or in the middle of its handshake, also when another one
//! of the same port (`SO_REUSEPORT`) could take it. So the group is first given a program that picks another member
//! (`SO_ATTACH_REUSEPORT_CBPF`, socket(7); it needs no privilege), and the queue is emptied in peace.
//!
//! What Linux does (net/core/sock_reuseport.c; seen on 6.18): the group is an array in the order in which its members
//! began to listen, and the last one takes the place of one that leaves. The program's answer is an index; one that is
//! out of range means the hash of the connection, that is: any member. The program stays with the group when the member
//! that attached it is gone. So "the other one" has no fixed index, and a member cannot see its own; it finds out by
//! connecting to the port: of two indices at most one is itself, and if 0 and 1 both lead to itself it is alone. A
//! program that is left behind does no harm: it names a member, or nobody in particular.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

/// A connection of our own is accepted within this time or not ours: on loopback it is in the queue when connect(2)
/// returns. A busy queue may belie it; then more comes, and the next round asks again.
const QUEUE: Duration = Duration::from_millis(20);
/// Handshakes that began before the program was there are over in half of it: pods are on this node.
const SETTLE: Duration = Duration::from_millis(100);
/// However long the other gateways take to agree who stays, or a successor that is starting to begin.
const GRACE: Duration = Duration::from_secs(2);
/// Members of a group at the most: two updates in quick succession make it three.
const MEMBERS: u32 = 4;
/// A firewall that drops our own connections must not hold up the end.
const CONNECT: Duration = Duration::from_millis(250);

/// How a listener left its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// Everything goes to another member.
    HandedOver,
    /// There is no other member.
    Alone,
    /// Something still came when the grace was over, or the kernel would not: connections may be lost.
    Unsettled,
}

/// Closes `listener` without losing a connection to it, if another gateway shares its port. Where there is none, one
/// may be starting: until it listens, or the grace is over, everything is still accepted.
pub(super) async fn hand_over(
    listener: TcpListener,
    shared: bool,
    admit: impl Fn(TcpStream, SocketAddr),
) -> Departure {
    let departure = match shared {
        true => depart(&listener, &admit).await,
        false => Departure::Alone,
    };
    if let Err(error) = empty(listener, &admit) {
        tracing::warn!(%error, "the last connections could not be accepted");
    }
    departure
}

async fn depart(listener: &TcpListener, admit: &impl Fn(TcpStream, SocketAddr)) -> Departure {
    let alone = AtomicBool::new(true);
    let why = match timeout(GRACE, leave(listener, admit, &alone)).await {
        Ok(Ok(())) => return Departure::HandedOver,
        Err(_) if alone.load(Ordering::Relaxed) => return Departure::Alone,
        Err(_) => "the port's other gateways do not settle who stays".to_owned(),
        Ok(Err(error)) => error.to_string(),
    };
    tracing::warn!(
        why,
        "the port could not be handed over; connections may be lost"
    );
    Departure::Unsettled
}

/// Turns new connections away until none comes any more.
async fn leave(
    listener: &TcpListener,
    admit: &impl Fn(TcpStream, SocketAddr),
    alone: &AtomicBool,
) -> io::Result<()> {
    for round in 0.. {
        let turned = turn_away(listener, admit, round % MEMBERS).await?;
        alone.store(!turned, Ordering::Relaxed);
        // Where something still comes, the chosen one has turned the group back, since it ends as well, or it has left:
        // the next round begins with the next one.
        if is_settled(listener, admit).await? && turned {
            break;
        }
    }
    Ok(())
}

/// Turns new connections to another member, if there is one.
async fn turn_away(
    listener: &TcpListener,
    admit: &impl Fn(TcpStream, SocketAddr),
    first: u32,
) -> io::Result<bool> {
    for index in [first, (first + 1) % MEMBERS] {
        turn(listener, index)?;
        if !is_ours(listener, admit).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a connection to the port comes to this listener. What else comes is served.
async fn is_ours(
    listener: &TcpListener,
    admit: &impl Fn(TcpStream, SocketAddr),
) -> io::Result<bool> {
    let probe = timeout(CONNECT, TcpStream::connect(listener.local_addr()?)).await??;
    let name = probe.local_addr()?;
    let end = Instant::now() + QUEUE;
    while let Ok(accepted) = timeout_at(end, listener.accept()).await {
        match accepted? {
            (_, peer) if peer == name => return Ok(true),
            (stream, peer) => admit(stream, peer),
        }
    }
    Ok(false)
}

/// Serves what comes for a while; whether nothing did in the second half of it.
async fn is_settled(
    listener: &TcpListener,
    admit: &impl Fn(TcpStream, SocketAddr),
) -> io::Result<bool> {
    let start = Instant::now();
    let mut late = false;
    while let Ok(accepted) = timeout_at(start + SETTLE, listener.accept()).await {
        let (stream, peer) = accepted?;
        admit(stream, peer);
        late |= start.elapsed() > SETTLE / 2;
    }
    Ok(!late)
}

/// Accepts what is queued at this very moment, and closes.
fn empty(listener: TcpListener, admit: &impl Fn(TcpStream, SocketAddr)) -> io::Result<()> {
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                admit(TcpStream::from_std(stream)?, peer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Sends every new connection of the group to the member of this index.
fn turn(listener: &TcpListener, index: u32) -> io::Result<()> {
    let constant = (libc::BPF_RET | libc::BPF_K) as u16;
    let mut code = [libc::sock_filter {
        code: constant,
        jt: 0,
        jf: 0,
        k: index,
    }];
    let program = libc::sock_fprog {
        len: 1,
        filter: code.as_mut_ptr(),
    };
    // SAFETY: the descriptor is the listener's own and open; `program` and the one instruction it points to outlive
    // the call, which copies them, and the length is that of the structure.
    let done = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests;
