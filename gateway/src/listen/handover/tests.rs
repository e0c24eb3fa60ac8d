use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::listen::door::bind;

/// A member of the group: greets whoever comes, and hands over when told.
struct Member {
    end: oneshot::Sender<()>,
    served: Arc<AtomicUsize>,
    task: JoinHandle<Departure>,
}

fn listen(port: u16) -> TcpListener {
    let socket = bind(([127, 0, 0, 1], port).into(), true).unwrap();
    socket.listen(1024).unwrap();
    TcpListener::from_std(socket.into()).unwrap()
}

impl Member {
    fn start(listener: TcpListener) -> Self {
        let (end, mut ended) = oneshot::channel();
        let served = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&served);
        let task = tokio::spawn(async move {
            let admit = |mut stream: TcpStream, _: SocketAddr| {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let _ = stream.write_all(b"x").await;
                });
            };
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (stream, peer) = accepted.unwrap();
                        admit(stream, peer);
                        // A busy server: the queue is never empty.
                        sleep(Duration::from_micros(500)).await;
                    }
                    _ = &mut ended => break,
                }
            }
            hand_over(listener, true, admit).await
        });
        Self { end, served, task }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    async fn end(self) -> Departure {
        self.end.send(()).unwrap();
        self.task.await.unwrap()
    }
}

/// Clients that connect, read one byte, and do it again.
struct Crowd {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(usize, Vec<io::Error>)>>,
}

impl Crowd {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let (mut good, mut bad) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    match greeting(address).await {
                        Ok(()) => good += 1,
                        Err(error) => bad.push(error),
                    }
                }
                (good, bad)
            })
        };
        let clients = (0..16).map(client).collect();
        Self { stop, clients }
    }

    async fn stop(self) -> (usize, Vec<io::Error>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut good, mut bad) = (0, Vec::new());
        for client in self.clients {
            let (more, errors) = client.await.unwrap();
            good += more;
            bad.extend(errors);
        }
        (good, bad)
    }
}

async fn greeting(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.read_u8().await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_listener_that_ends_hands_every_connection_to_the_other_one_in_either_order() {
    let first = listen(0);
    let address = first.local_addr().unwrap();
    let mut members = vec![Member::start(first)];
    let crowd = Crowd::start(address);
    // The older one ends, as in an update, or the newer one, as in a rollback.
    for leaves in [0, 0, 1, 1, 0, 1] {
        members.push(Member::start(listen(address.port())));
        sleep(Duration::from_millis(60)).await;
        let departure = members.remove(leaves).end().await;
        assert_eq!(departure, Departure::HandedOver);
    }
    sleep(Duration::from_millis(60)).await;
    let (good, bad) = crowd.stop().await;
    assert!(bad.is_empty(), "{} of {good}: {:?}", bad.len(), bad[0]);
    assert!(good > 200, "{good}: there was no load to speak of");
    assert!(members[0].served() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn of_three_the_one_that_stays_gets_everything_though_two_end_at_once() {
    for stays in 0..3 {
        let first = listen(0);
        let address = first.local_addr().unwrap();
        let mut members = vec![Member::start(first)];
        members.extend((0..2).map(|_| Member::start(listen(address.port()))));
        let crowd = Crowd::start(address);
        sleep(Duration::from_millis(60)).await;
        let member = members.remove(stays);
        let (one, other) = (members.remove(0), members.remove(0));
        let departures = tokio::join!(one.end(), other.end());
        assert_eq!(departures, (Departure::HandedOver, Departure::HandedOver));
        let before = member.served();
        sleep(Duration::from_millis(60)).await;
        let (good, bad) = crowd.stop().await;
        assert!(bad.is_empty(), "{} of {good}: {:?}", bad.len(), bad[0]);
        assert!(member.served() > before);
    }
}

/// What the tests above would show without the handover.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_listener_that_just_closes_resets_what_is_in_its_queue() {
    let stays = listen(0);
    let address = stays.local_addr().unwrap();
    let leaves = listen(address.port());
    turn(&leaves, 1).unwrap();
    let mut queued = TcpStream::connect(address).await.unwrap();
    drop(leaves);
    let read = timeout(Duration::from_secs(5), queued.read_u8()).await;
    assert!(read.unwrap().is_err());
}

#[tokio::test]
async fn one_that_does_not_share_accepts_what_is_queued_and_closes_at_once() {
    let listener = listen(0);
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    for _ in 0..20 {
        queued.push(TcpStream::connect(address).await.unwrap());
    }
    let start = Instant::now();
    let admitted = AtomicUsize::new(0);
    let count = |_, _| {
        admitted.fetch_add(1, Ordering::Relaxed);
    };
    hand_over(listener, false, count).await;
    assert_eq!(admitted.load(Ordering::Relaxed), 20);
    assert!(start.elapsed() < SETTLE);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_that_is_alone_closes_when_the_grace_is_over() {
    let listener = listen(0);
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    let departure = hand_over(listener, true, |_, _| panic!("the probes are nobody's")).await;
    assert_eq!(departure, Departure::Alone);
    assert!(start.elapsed() < 2 * GRACE, "{:?}", start.elapsed());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_successor_that_is_still_starting_loses_nothing_of_the_one_that_ends() {
    let first = listen(0);
    let address = first.local_addr().unwrap();
    let first = Member::start(first);
    let crowd = Crowd::start(address);
    let late = async {
        sleep(Duration::from_millis(400)).await;
        Member::start(listen(address.port()))
    };
    let (departure, second) = tokio::join!(first.end(), late);
    assert_eq!(departure, Departure::HandedOver);
    sleep(Duration::from_millis(60)).await;
    let (good, bad) = crowd.stop().await;
    assert!(bad.is_empty(), "{} of {good}: {:?}", bad.len(), bad[0]);
    assert!(second.served() > 0);
}

#[tokio::test]
async fn a_program_that_is_left_behind_locks_nobody_out() {
    let first = listen(0);
    let address = first.local_addr().unwrap();
    for index in [0, 1, 7, u32::MAX] {
        let second = listen(address.port());
        turn(&second, index).unwrap();
        // It ends without a word, as by kill -9.
        drop(second);
        for _ in 0..10 {
            TcpStream::connect(address).await.unwrap();
            let taken = timeout(Duration::from_secs(5), first.accept()).await;
            taken.expect("the connection goes nowhere").unwrap();
        }
    }
}
