//! Whatever happens in whatever order, and whenever the process dies, the end is right.

use std::time::Duration;

use podgate_api::{AzureIdentitySpec, IdentityType, ObjectRef};
use podgate_azure::arm::ComputeId;
use proptest::prelude::*;

use super::model::{
    Death, KINDS, Model, Mood, machine, managed, object, resource, scale_set, settings,
};
use crate::matching::Rules;

#[derive(Clone, Debug)]
enum Step {
    Pod {
        space: u8,
        name: u8,
        node: u8,
        label: u8,
    },
    Relabel {
        space: u8,
        name: u8,
        label: u8,
    },
    EndPod {
        space: u8,
        name: u8,
    },
    DeletePod {
        space: u8,
        name: u8,
    },
    Identity {
        space: u8,
        name: u8,
        resource: u8,
        kind: u8,
        namespaced: bool,
    },
    DeleteIdentity {
        space: u8,
        name: u8,
    },
    Binding {
        space: u8,
        name: u8,
        identity: u8,
        label: u8,
        weight: u8,
    },
    DeleteBinding {
        space: u8,
        name: u8,
    },
    Node(u8),
    DeleteNode(u8),
    DeleteRecord(u8),
    ByHand {
        machine: u8,
        resource: u8,
    },
    Take,
    CarryOut(u8),
    Pass(u16),
    Crash,
    CrashAfter(u8),
    Throttle(bool),
    ApiAway(bool),
    DeleteMachine(u8),
    Mood {
        machine: u8,
        mood: Mood,
    },
    Lag(usize, bool),
    Hear(usize),
    AsTheOldOne(u8),
    Strip(u8),
}

fn mood() -> impl Strategy<Value = Mood> {
    use Mood::{Deaf, Deleting, Fussy, NotFound, Shut, Stubborn, Updating, Well};
    prop::sample::select(vec![
        Well, Well, Updating, Deleting, NotFound, Fussy, Deaf, Shut, Stubborn,
    ])
}

const SPACES: [&str; 2] = ["a", "b"];

fn step() -> impl Strategy<Value = Step> {
    let (space, small) = (0..2u8, 0..3u8);
    prop_oneof![
        6 => (space.clone(), small.clone(), 0..4u8, small.clone())
            .prop_map(|(space, name, node, label)| Step::Pod { space, name, node, label }),
        1 => (space.clone(), small.clone(), small.clone())
            .prop_map(|(space, name, label)| Step::Relabel { space, name, label }),
        1 => (space.clone(), small.clone()).prop_map(|(space, name)| Step::EndPod { space, name }),
        3 => (space.clone(), small.clone()).prop_map(|(space, name)| Step::DeletePod { space, name }),
        3 => (space.clone(), small.clone(), 0..4u8, 0..6u8, any::<bool>())
            .prop_map(|(space, name, resource, kind, namespaced)| Step::Identity { space, name, resource, kind, namespaced }),
        1 => (space.clone(), small.clone()).prop_map(|(space, name)| Step::DeleteIdentity { space, name }),
        4 => (space.clone(), small.clone(), small.clone(), small.clone(), 0..2u8)
            .prop_map(|(space, name, identity, label, weight)| Step::Binding { space, name, identity, label, weight }),
        1 => (space, small).prop_map(|(space, name)| Step::DeleteBinding { space, name }),
        2 => (0..4u8).prop_map(Step::Node),
        1 => (0..4u8).prop_map(Step::DeleteNode),
        1 => any::<u8>().prop_map(Step::DeleteRecord),
        1 => (0..3u8, 0..4u8).prop_map(|(machine, resource)| Step::ByHand { machine, resource }),
        6 => Just(Step::Take),
        10 => any::<u8>().prop_map(Step::CarryOut),
        4 => (0..40_000u16).prop_map(Step::Pass),
        1 => Just(Step::Crash),
        2 => any::<u8>().prop_map(Step::CrashAfter),
        1 => any::<bool>().prop_map(Step::Throttle),
        1 => any::<bool>().prop_map(Step::ApiAway),
        1 => (0..3u8).prop_map(Step::DeleteMachine),
        2 => (0..3u8, mood()).prop_map(|(machine, mood)| Step::Mood { machine, mood }),
        2 => (0..KINDS, any::<bool>()).prop_map(|(kind, on)| Step::Lag(kind, on)),
        3 => (0..KINDS).prop_map(Step::Hear),
        1 => any::<u8>().prop_map(Step::AsTheOldOne),
        1 => any::<u8>().prop_map(Step::Strip),
    ]
}

fn name(letter: char, number: u8) -> String {
    format!("{letter}{number}")
}

fn add_node(model: &mut Model, number: u8) {
    match number {
        0 | 1 => model.node(&name('n', number), &scale_set("one"), Some(number.into())),
        2 => model.node("n2", &scale_set("two"), Some(0)),
        _ => model.node("n3", &machine("n3"), None),
    }
}

fn spec(number: u8, kind: u8) -> AzureIdentitySpec {
    let identity_type = match kind {
        4 => IdentityType::ServicePrincipal,
        5 => IdentityType::Unknown(7),
        _ => IdentityType::UserAssignedManagedIdentity,
    };
    AzureIdentitySpec {
        identity_type,
        ..managed(&name('r', number))
    }
}

fn play(model: &mut Model, step: Step) {
    let space = |number: u8| SPACES[usize::from(number)];
    match step {
        Step::Pod {
            space: s,
            name: n,
            node,
            label,
        } => {
            let pod = object(space(s), &name('p', n));
            // A pod never moves: it is another one on another node.
            model.delete_pod(&pod);
            model.pod(&pod, &name('n', node), &name('l', label));
        }
        Step::Relabel {
            space: s,
            name: n,
            label,
        } => {
            model.relabel(&object(space(s), &name('p', n)), &name('l', label));
        }
        Step::EndPod { space: s, name: n } => model.end_pod(&object(space(s), &name('p', n))),
        Step::DeletePod { space: s, name: n } => model.delete_pod(&object(space(s), &name('p', n))),
        Step::Identity {
            space: s,
            name: n,
            resource,
            kind,
            namespaced,
        } => {
            model.identity(
                &object(space(s), &name('i', n)),
                spec(resource, kind),
                namespaced,
            );
        }
        Step::DeleteIdentity { space: s, name: n } => {
            model.delete_identity(&object(space(s), &name('i', n)))
        }
        Step::Binding {
            space: s,
            name: n,
            identity,
            label,
            weight,
        } => {
            let binding = object(space(s), &name('b', n));
            model.binding(
                &binding,
                &name('i', identity),
                &name('l', label),
                weight.into(),
            );
        }
        Step::DeleteBinding { space: s, name: n } => {
            model.delete_binding(&object(space(s), &name('b', n)))
        }
        Step::Node(number) => add_node(model, number),
        Step::DeleteNode(number) => model.delete_node(&name('n', number)),
        Step::DeleteRecord(which) => {
            if let Some(record) = nth_record(model, which) {
                model.delete_record(&record);
            }
        }
        Step::ByHand {
            machine: m,
            resource: r,
        } => by_hand(model, m, r),
        Step::Take => model.take(),
        Step::CarryOut(which) => model.carry_out(which.into()),
        Step::Pass(milliseconds) => model.now += Duration::from_millis(milliseconds.into()),
        Step::Crash => model.crash(),
        Step::CrashAfter(which) => model.carry_out_and_crash(which.into()),
        Step::Throttle(on) => model.throttles = on,
        Step::ApiAway(on) => model.api_away = on,
        Step::DeleteMachine(which) => model.delete_machine(&compute(which)),
        Step::Mood { machine, mood } => {
            if let Some(machine) = model.azure.get_mut(&compute(machine)) {
                machine.mood = mood;
            }
        }
        Step::Lag(kind, on) => model.lag(kind, on),
        Step::Hear(kind) => model.hear(kind, 1),
        Step::AsTheOldOne(which) => {
            if let Some(record) = nth_record(model, which) {
                model.write_as_the_old_one(&record);
            }
        }
        Step::Strip(which) => {
            if let Some(record) = nth_record(model, which) {
                model.strip(&record);
            }
        }
    }
}

fn nth_record(model: &Model, which: u8) -> Option<ObjectRef> {
    let count = model.records.len().max(1);
    model
        .records
        .keys()
        .nth(usize::from(which) % count)
        .cloned()
}

fn compute(which: u8) -> ComputeId {
    match which {
        0 => scale_set("one"),
        1 => scale_set("two"),
        _ => machine("n3"),
    }
}

/// Somebody takes an identity off a machine in the portal.
fn by_hand(model: &mut Model, which: u8, number: u8) {
    let id = compute(which);
    let resource = resource(&name('r', number));
    if let Some(machine) = model.azure.get_mut(&id)
        && !machine.foreign.contains(&resource)
    {
        machine.present.remove(&resource);
    }
}

fn start(namespaced: bool) -> Model {
    let mut model = Model::new(crate::plan::Settings {
        rules: Rules { namespaced },
        ..settings()
    });
    for number in 0..4 {
        add_node(&mut model, number);
    }
    for id in (0..3).map(compute) {
        model.foreign(&id, resource("foreign"));
    }
    model
}

/// Few things, so that what happens to one often concerns another.
fn small_step() -> impl Strategy<Value = Step> {
    let two = 0..2u8;
    prop_oneof![
        6 => (two.clone(), 0..3u8, two.clone()).prop_map(|(name, node, label)| Step::Pod { space: 0, name, node, label }),
        2 => (two.clone(), two.clone()).prop_map(|(name, label)| Step::Relabel { space: 0, name, label }),
        4 => two.clone().prop_map(|name| Step::DeletePod { space: 0, name }),
        1 => (two.clone(), two.clone()).prop_map(|(name, resource)| Step::Identity { space: 0, name, resource, kind: 0, namespaced: false }),
        1 => two.clone().prop_map(|name| Step::DeleteBinding { space: 0, name }),
        3 => two.clone().prop_map(|name| Step::Binding { space: 0, name, identity: name, label: name, weight: 0 }),
        1 => (0..3u8).prop_map(Step::Node),
        1 => (0..3u8).prop_map(Step::DeleteNode),
        1 => any::<u8>().prop_map(Step::DeleteRecord),
        1 => (two.clone(), two.clone()).prop_map(|(machine, resource)| Step::ByHand { machine, resource }),
        8 => Just(Step::Take),
        10 => any::<u8>().prop_map(Step::CarryOut),
        4 => (0..400u16).prop_map(Step::Pass),
        4 => (0..40_000u16).prop_map(Step::Pass),
        1 => Just(Step::Crash),
        2 => any::<u8>().prop_map(Step::CrashAfter),
        1 => any::<bool>().prop_map(Step::Throttle),
        1 => any::<bool>().prop_map(Step::ApiAway),
        2 => (two, mood()).prop_map(|(machine, mood)| Step::Mood { machine, mood }),
        1 => (0..KINDS, any::<bool>()).prop_map(|(kind, on)| Step::Lag(kind, on)),
        3 => (0..KINDS).prop_map(Step::Hear),
        1 => any::<u8>().prop_map(Step::AsTheOldOne),
        1 => any::<u8>().prop_map(Step::Strip),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    /// The plan, applied to whatever there is, comes to what is wanted: records and machines; and takes nothing that
    /// anybody needs, touches nothing that no record speaks of, and then rests. Every [`Model::take`] checks the rest.
    #[test]
    fn every_history_ends_right(namespaced: bool, steps in prop::collection::vec(step(), 1..120)) {
        let mut model = start(namespaced);
        for step in steps {
            play(&mut model, step);
        }
        model.assert_right();
    }

    /// Whether Azure says which one it does not take, or does not.
    #[test]
    fn bad_identities_harm_only_themselves(names_nobody: bool, steps in prop::collection::vec(step(), 1..120)) {
        let mut model = start(false);
        model.names_nobody = names_nobody;
        model.refused.insert(resource("r0"));
        for step in steps {
            play(&mut model, step);
        }
        model.assert_right();
    }

    /// The same of few things, so that what happens to one often concerns another.
    #[test]
    fn small_worlds_end_right(steps in prop::collection::vec(small_step(), 1..120)) {
        let mut model = start(false);
        for number in 0..2 {
            let (i, b) = (object("a", &name('i', number)), object("a", &name('b', number)));
            model.identity(&i, managed(&name('r', number)), false);
            model.binding(&b, &i.name, &name('l', number), 0);
        }
        for step in steps {
            play(&mut model, step);
        }
        model.assert_right();
    }
}

/// A life of pods with everything in it that has an order: births, a second user, an edit, a move, ends.
fn story(model: &mut Model) {
    let pod = |name: &str| object("a", name);
    for name in ["i0", "i1"] {
        model.identity(&object("a", name), managed(&name.replace('i', "r")), false);
        model.binding(&object("a", name), name, name, 0);
    }
    model.binding(&object("a", "both"), "i1", "i0", 0);
    model.pod(&pod("p0"), "n0", "i0");
    model.pod(&pod("p1"), "n2", "i1");
    model.pass(Duration::from_secs(5));
    model.pod(&pod("p2"), "n1", "i0");
    model.identity(&object("a", "i1"), managed("r2"), false);
    model.pass(Duration::from_secs(5));
    model.delete_pod(&pod("p0"));
    model.pod(&pod("p0"), "n2", "i0");
    model.pass(Duration::from_secs(5));
    model.delete_binding(&object("a", "both"));
    model.delete_pod(&pod("p2"));
    model.pass(Duration::from_secs(60));
    model.delete_pod(&pod("p0"));
    model.delete_pod(&pod("p1"));
    model.pass(Duration::from_secs(60));
}

#[test]
fn the_end_is_right_wherever_the_process_dies() {
    for how in [Death::Before, Death::Between, Death::After] {
        let mut steps = 0;
        loop {
            let mut model = start(false);
            model.die_at(steps, how);
            story(&mut model);
            let died = model.has_died();
            model.assert_right();
            assert!(model.records.is_empty());
            if !died {
                break;
            }
            steps += 1;
        }
        assert!(steps > 25, "the story has only {steps} steps");
    }
}
