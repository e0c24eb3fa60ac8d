use super::*;
use crate::world::{ObjectKey, ObjectRef};

fn keys(text: &str) -> (Vec<ObjectKey>, Vec<String>) {
    let (objects, problems) = read(text);
    (objects.iter().map(Object::key).collect(), problems)
}

fn named(name: &str) -> ObjectRef {
    ObjectRef::new("default", name)
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n";

#[test]
fn what_kubectl_takes_is_read() {
    let text = format!(
        "# a comment\n---\n{POD}status: {{ podIP: 10.0.0.1, podIPs: [{{ ip: 10.0.0.1 }}, {{ ip: 'fd00::1' }}] }}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{ name: s }}\ndata: {{ k: dg== }}\nstringData: {{ l: w }}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: d }}\n"
    );
    let (objects, problems) = read(&text);
    assert!(problems.is_empty(), "{problems:?}");
    let [Object::Pod(pod), Object::Secret(name, data)] = objects.as_slice() else {
        panic!("{objects:?}");
    };
    assert_eq!(pod.ips.len(), 2);
    assert_eq!(
        (name, data.get("k"), data.get("l")),
        (&named("s"), Some(&b"v"[..]), Some(&b"w"[..]))
    );
}

#[test]
fn a_list_stands_for_its_items() {
    let (found, problems) = keys(&format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        POD.trim_end().replace('\n', "\n  ")
    ));
    assert_eq!(
        (found, problems),
        (vec![ObjectKey::Pod(named("a"))], vec![])
    );
}

#[test]
fn one_bad_document_harms_only_itself_and_is_named() {
    let text = format!(
        "{POD}---\napiVersion: aadpodidentity.k8s.io/v1\nkind: AzureIdentity\nmetadata: {{ name: i }}\nspec: {{ type: [1] }}\n---\napiVersion: v1\nkind: Pod\n"
    );
    let (found, problems) = keys(&text);
    assert_eq!(found, [ObjectKey::Pod(named("a"))]);
    assert!(
        problems[0].contains("document 2") && problems[0].contains("AzureIdentity i"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("document 3") && problems[1].contains("metadata.name"),
        "{problems:?}"
    );
}

#[test]
fn broken_yaml_is_named_by_its_place() {
    let (found, problems) = keys("apiVersion: v1\nkind: [Pod\n");
    assert!(found.is_empty());
    assert!(problems[0].contains("line"), "{problems:?}");
}

#[test]
fn a_secret_that_cannot_be_read_shows_nothing_of_its_content() {
    let (_, problems) =
        keys("apiVersion: v1\nkind: Secret\nmetadata: { name: s }\ndata: { k: 'hunter2!' }\n");
    assert!(
        problems[0].contains("Secret s") && !problems[0].contains("hunter2"),
        "{problems:?}"
    );
}

#[test]
fn broken_yaml_of_a_secret_shows_nothing_of_its_content() {
    for data in [
        "{ k: \"hunter2 }",
        "\n  k: hunter2\n l: hunter2: hunter2",
        "{ k: hunter2, k: x }",
    ] {
        let text = format!("kind: Secret\nmetadata: {{ name: s }}\ndata: {data}\n");
        let (_, problems) = keys(&text);
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn a_password_in_the_place_of_its_reference_is_not_shown() {
    let (_, problems) = keys(
        "apiVersion: aadpodidentity.k8s.io/v1\nkind: AzureIdentity\nmetadata: { name: i }\nspec: { clientPassword: 'hun\"ter2' }\n",
    );
    assert!(
        problems[0].contains("AzureIdentity i") && problems[0].contains("SecretReference"),
        "{problems:?}"
    );
    assert!(!problems[0].contains("ter2"), "{problems:?}");
}

#[test]
fn what_looks_right_and_is_not_is_named() {
    for (text, word) in [
        (
            "apiVersion: aadpodidentity.k8s.io/v1beta1\nkind: AzureIdentity\nmetadata: { name: a }\n",
            "v1beta1",
        ),
        (
            "apiVersion: aadpodidentity.k8s.io/v1\nkind: AzureIdentityBindings\nmetadata: { name: a }\n",
            "AzureIdentityBindings",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nstatus: { podIP: 127.0.0.300 }\n",
            "127.0.0.300",
        ),
    ] {
        let (found, problems) = keys(text);
        assert!(
            found.is_empty() && problems[0].contains(word),
            "{problems:?}"
        );
    }
}
