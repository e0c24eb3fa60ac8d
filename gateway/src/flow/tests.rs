//! Invariant 1 as a property: whatever order pods come and go in, however late the watch tells of it, and however long
//! the authority takes, a token is the connecting pod's own.
//!
//! What cannot be known: the watch is late, so between the moment an address gets a new pod and the moment the watch
//! says so, nothing but the address is there to tell the two apart, and the one that is known is answered. So the
//! invariant, at the moment a reply with a token is written:
//!
//! 1. by all that the watch has told, the address is exactly one live pod's, and the token is that pod's;
//! 2. the token is the pod's that really made the connection, unless that pod has ended (nobody reads the reply), or
//!    the watch has not told of it yet;
//! 3. all tokens of one connection are one pod's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::testing::{Authority, TOKEN, bind, flow, pod, read, request};
use super::*;
use crate::pod::Connections;
use crate::world::testing::rules;
use crate::world::{Object, ObjectKey, ObjectRef};

/// Names and addresses; few, so that they are used again and again.
const NAMES: u8 = 3;
const ADDRESSES: u8 = 2;
/// Pods in one run: each has a uid and an identity of its own.
const PODS: usize = 40;

#[derive(Clone, Debug)]
enum Step {
    /// A pod really starts, if its name and address are free, and the API server knows.
    Start { name: u8, address: u8 },
    /// It really ends: its address is free from now on.
    End { name: u8 },
    /// The API server learns of an end.
    Publish,
    /// The watch tells the gateway of the next changes.
    Deliver { changes: usize },
    /// The watch was lost: the gateway gets everything anew, and with it what it missed.
    Relist,
    /// A pod's labels are edited.
    Edit { name: u8 },
    /// A pod asks, on its open connection or a new one.
    Ask { name: u8, anew: bool },
    /// The authority gets slower or faster.
    Latency { ms: u64 },
    /// Time passes.
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..NAMES, 0..ADDRESSES).prop_map(|(name, address)| Step::Start { name, address }),
        2 => (0..NAMES).prop_map(|name| Step::End { name }),
        2 => Just(Step::Publish),
        5 => (1..4usize).prop_map(|changes| Step::Deliver { changes }),
        1 => Just(Step::Relist),
        1 => (0..NAMES).prop_map(|name| Step::Edit { name }),
        6 => (0..NAMES, any::<bool>()).prop_map(|(name, anew)| Step::Ask { name, anew }),
        1 => (0..400u64).prop_map(|ms| Step::Latency { ms }),
        3 => (1..300u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A pod as it really is.
struct Real {
    uid: usize,
    address: u8,
    connection: Option<Arc<Connection>>,
}

/// A pod in the API server, or in what the watch has told: uid and address by name.
type Known = BTreeMap<u8, (usize, u8)>;

enum Event {
    Applied { name: u8, uid: usize, address: u8 },
    Gone { name: u8, uid: usize },
}

/// What is really so, what the API server knows, what is on its way, and what the gateway was told.
#[derive(Default)]
struct Model {
    real: BTreeMap<u8, Real>,
    started: usize,
    unpublished: VecDeque<(u8, usize)>,
    server: Known,
    on_its_way: VecDeque<Event>,
    told: Known,
    told_of: BTreeSet<usize>,
    tokens: usize,
    refusals: usize,
}

struct Run {
    world: World,
    flow: Arc<Flow>,
    authority: Arc<Authority>,
    connections: Connections,
    model: Arc<Mutex<Model>>,
    asked: JoinSet<Result<(), TestCaseError>>,
}

fn uid(number: usize) -> String {
    format!("pod-{number}")
}

fn ip(address: u8) -> String {
    format!("10.0.0.{address}")
}

impl Run {
    fn new() -> Self {
        let world = World::new(rules());
        for number in 0..PODS {
            bind(
                &world,
                &uid(number),
                &uuid::Uuid::from_u128(number as u128 + 1).to_string(),
            );
        }
        let authority = Arc::new(Authority::default());
        let connections = Connections::default();
        tokio::spawn(connections.close_with_pods(world.clone()));
        Self {
            flow: Arc::new(flow(&world, &authority)),
            world,
            authority,
            connections,
            model: Arc::default(),
            asked: JoinSet::new(),
        }
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Start { name, address } => self.model.lock().start(name, address),
            Step::End { name } => self.model.lock().end(name),
            Step::Publish => self.model.lock().publish(),
            Step::Deliver { changes } => (0..changes).for_each(|_| self.deliver()),
            Step::Relist => self.relist(),
            Step::Edit { name } => self.model.lock().edit(name),
            Step::Ask { name, anew } => self.ask(name, anew),
            Step::Latency { ms } => self.authority.takes(Duration::from_millis(ms)),
            Step::Wait { ms } => sleep(Duration::from_millis(ms)).await,
        }
        // Whoever can go on does.
        sleep(Duration::from_micros(10)).await;
    }

    fn deliver(&self) {
        let event = self.model.lock().take();
        match event {
            None => {}
            Some(Event::Applied { name, uid, address }) => self.apply(name, uid, address),
            Some(Event::Gone { name, .. }) => self.remove(name),
        }
    }

    /// The events that were missed are never told one by one: a pod may have been replaced by another of its name.
    fn relist(&self) {
        let (server, gone) = self.model.lock().relist();
        for (name, (uid, address)) in server {
            self.apply(name, uid, address);
        }
        for name in gone {
            self.remove(name);
        }
    }

    fn apply(&self, name: u8, number: usize, address: u8) {
        let pod = pod(&name.to_string(), &uid(number), &ip(address));
        self.world.apply(Object::Pod(pod));
    }

    fn remove(&self, name: u8) {
        let object = ObjectRef::new("default", name.to_string());
        self.world.remove(&ObjectKey::Pod(object));
    }

    fn ask(&mut self, name: u8, anew: bool) {
        let Some((owner, address, connection)) = self.connection(name, anew) else {
            return;
        };
        let (flow, model) = (Arc::clone(&self.flow), Arc::clone(&self.model));
        self.asked.spawn(async move {
            let reply = flow.serve(&connection, &request(TOKEN)).await;
            // The body is there already: between the reply and the look at the model nothing is waited for.
            let (status, json) = read(reply).await;
            let token = json["access_token"].as_str().filter(|_| status == 200);
            model.lock().check(owner, address, token)?;
            match token {
                Some(token) => of_one_pod(&connection, token),
                None => Ok(()),
            }
        });
    }

    fn connection(&self, name: u8, anew: bool) -> Option<(usize, u8, Arc<Connection>)> {
        let mut model = self.model.lock();
        let real = model.real.get_mut(&name)?;
        let open = || Arc::new(self.connections.open(ip(real.address).parse().unwrap()));
        let kept = real.connection.take().filter(|_| !anew);
        let connection = kept.unwrap_or_else(open);
        real.connection = Some(Arc::clone(&connection));
        Some((real.uid, real.address, connection))
    }

    /// Everything is told, and everybody answered.
    async fn end(mut self) -> Result<(usize, usize), TestCaseError> {
        self.model.lock().unpublished.clear();
        self.relist();
        while let Some(asked) = self.asked.join_next().await {
            asked.unwrap()?;
        }
        let model = self.model.lock();
        Ok((model.tokens, model.refusals))
    }
}

/// The third part of the invariant, by the connection's own word: another pod's claim is refused.
fn of_one_pod(connection: &Connection, token: &str) -> Result<(), TestCaseError> {
    let owner = connection.owner().map(ToString::to_string);
    prop_assert_eq!(owner.as_deref(), Some(token));
    Ok(())
}

impl Model {
    fn start(&mut self, name: u8, address: u8) {
        let taken = self.real.values().any(|real| real.address == address);
        if taken || self.real.contains_key(&name) || self.started == PODS {
            return;
        }
        let uid = self.started;
        self.started += 1;
        // The API server has one object of a name: the old one's end is known before the new one is made.
        self.unpublished.retain(|(of, _)| *of != name);
        if let Some((old, _)) = self.server.remove(&name) {
            self.on_its_way.push_back(Event::Gone { name, uid: old });
        }
        let real = Real {
            uid,
            address,
            connection: None,
        };
        self.real.insert(name, real);
        self.server.insert(name, (uid, address));
        self.on_its_way
            .push_back(Event::Applied { name, uid, address });
    }

    fn end(&mut self, name: u8) {
        if let Some(real) = self.real.remove(&name) {
            self.unpublished.push_back((name, real.uid));
        }
    }

    fn publish(&mut self) {
        if let Some((name, uid)) = self.unpublished.pop_front() {
            self.server.remove(&name);
            self.on_its_way.push_back(Event::Gone { name, uid });
        }
    }

    fn edit(&mut self, name: u8) {
        if let Some(&(uid, address)) = self.server.get(&name) {
            self.on_its_way
                .push_back(Event::Applied { name, uid, address });
        }
    }

    fn take(&mut self) -> Option<Event> {
        let event = self.on_its_way.pop_front()?;
        match event {
            Event::Applied { name, uid, address } => {
                self.told.insert(name, (uid, address));
                self.told_of.insert(uid);
            }
            Event::Gone { name, uid } => {
                if self.told.get(&name).is_some_and(|told| told.0 == uid) {
                    self.told.remove(&name);
                }
            }
        }
        Some(event)
    }

    /// What the API server has, and the names that are gone.
    fn relist(&mut self) -> (Known, Vec<u8>) {
        self.on_its_way.clear();
        let gone = self.told.keys().copied();
        let gone = gone
            .filter(|name| !self.server.contains_key(name))
            .collect();
        self.told = self.server.clone();
        self.told_of
            .extend(self.server.values().map(|(uid, _)| uid));
        (self.server.clone(), gone)
    }

    fn check(
        &mut self,
        owner: usize,
        address: u8,
        token: Option<&str>,
    ) -> Result<(), TestCaseError> {
        let Some(token) = token else {
            self.refusals += 1;
            return Ok(());
        };
        self.tokens += 1;
        let told = self.told.values().filter(|told| told.1 == address);
        let told: Vec<String> = told.map(|told| uid(told.0)).collect();
        prop_assert_eq!(&told, &[token], "by what the watch has told");
        let lives = self.real.values().any(|real| real.uid == owner);
        if lives && self.told_of.contains(&owner) {
            prop_assert_eq!(token, uid(owner), "the pod that made the connection");
        }
        Ok(())
    }
}

fn run(steps: &[Step]) -> Result<(usize, usize), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut run = Run::new();
        for step in steps {
            run.step(step).await;
        }
        run.end().await
    })
}

proptest! {
    #[test]
    fn a_token_is_the_connecting_pods_own_whatever_the_order_and_the_delay(steps in prop::collection::vec(step(), 1..80)) {
        run(&steps)?;
    }
}

/// The property would hold as well if nobody ever got anything.
#[test]
fn in_a_quiet_life_the_model_pods_get_tokens_and_changes_get_refusals() {
    let (name, address, ms) = (0, 0, 200);
    let told = Step::Deliver { changes: 9 };
    let ask = Step::Ask { name, anew: true };
    let start = |name| Step::Start { name, address };
    let quiet = [start(0), told.clone(), ask.clone(), ask.clone()];
    assert_eq!(run(&quiet).unwrap(), (2, 0));
    let end = [Step::End { name }, Step::Publish, start(1)];
    let slow = [Step::Latency { ms }, start(0), told.clone(), ask];
    let during: Vec<Step> = slow.into_iter().chain(end).chain([told]).collect();
    assert_eq!(run(&during).unwrap(), (0, 1), "replaced during the call");
}
