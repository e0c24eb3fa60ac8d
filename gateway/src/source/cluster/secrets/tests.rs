use super::*;
use crate::assignment::{DefaultIdentity, Mode};
use crate::world::testing::{pod, rules};
use crate::world::{Binding, Object};

fn principal(name: &str, secret: &str) -> Object {
    let mut identity = podgate_api::AzureIdentity::new(name, Default::default());
    identity.metadata.namespace = Some("default".to_owned());
    identity.spec.identity_type = podgate_api::IdentityType::ServicePrincipal;
    identity.spec.client_id = Some("7a1d0c8e-2f34-4f0e-9a6f-0123456789ab".to_owned());
    identity.spec.tenant_id = Some("00000000-0000-0000-0000-000000000001".to_owned());
    identity.spec.client_password = Some(podgate_api::SecretReference {
        name: Some(secret.to_owned()),
        namespace: None,
    });
    Object::Identity(Box::new(identity))
}

fn bind(world: &World, name: &str) {
    world.apply(principal(name, name));
    world.apply(Object::Binding(Binding {
        object: ObjectRef::new("default", name),
        identity: name.to_owned(),
        selector: "shop".to_owned(),
        weight: 0,
    }));
}

fn rules_of(mode: Mode) -> Rules {
    Rules {
        mode,
        namespaced: true,
        default_identity: DefaultIdentity::Refuse,
        wait: Duration::ZERO,
    }
}

fn labelled(namespace: &str, name: &str) -> crate::world::Pod {
    let mut pod = pod(namespace, name, "10.0.0.1");
    pod.labels
        .insert("aadpodidbinding".to_owned(), "shop".to_owned());
    pod
}

#[test]
fn only_what_a_live_pod_of_this_node_could_get_is_wanted() {
    let world = World::new(rules());
    bind(&world, "login");
    let wanted = |world: &World| wanted(world, &rules_of(Mode::Managed)).len();
    assert_eq!(wanted(&world), 0, "no pod");
    world.apply(Object::Pod(labelled("elsewhere", "a")));
    assert_eq!(wanted(&world), 0, "the binding is of another namespace");
    let mut ended = labelled("default", "b");
    ended.live = false;
    world.apply(Object::Pod(ended));
    assert_eq!(wanted(&world), 0, "the pod has ended");
    world.apply(Object::Pod(labelled("default", "b")));
    assert_eq!(wanted(&world), 1);
}

#[test]
fn nobody_can_have_any_number_of_secrets_read() {
    let world = World::new(rules());
    (0..PER_POD + 5).for_each(|number| bind(&world, &format!("login-{number:03}")));
    world.apply(Object::Pod(labelled("default", "a")));
    let wanted = wanted(&world, &rules_of(Mode::Managed));
    assert_eq!(wanted.len(), PER_POD);
    assert!(wanted.contains(&ObjectRef::new("default", "login-000")));
}
