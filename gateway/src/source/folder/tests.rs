use super::*;
use crate::readiness::Readiness;
use crate::world::ObjectRef;
use crate::world::testing::rules;

fn pod(name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: {name} }}\nstatus: {{ podIP: {ip} }}\n"
    )
}

struct Fixture {
    directory: tempfile::TempDir,
    folder: Folder,
    readiness: Readiness,
    world: World,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let readiness = Readiness::default();
        let first = readiness.pending("source");
        let folder = Folder::new(directory.path().to_owned(), Arc::default(), first).unwrap();
        Self {
            directory,
            folder,
            readiness,
            world: World::new(rules()),
        }
    }

    fn write(&mut self, file: &str, text: &str) {
        std::fs::write(self.directory.path().join(file), text).unwrap();
        self.folder.sync(&self.world).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.world
            .read()
            .pod(&ObjectRef::new("default", name))
            .is_some()
    }
}

#[test]
fn the_world_follows_the_folder() {
    let mut fixture = Fixture::new();
    fixture.write("a.yaml", &(pod("a", "10.0.0.1") + &pod("b", "10.0.0.2")));
    assert!(fixture.has("a") && fixture.has("b"));
    fixture.write("a.yaml", &pod("b", "10.0.0.2"));
    assert!(!fixture.has("a") && fixture.has("b"));
    std::fs::remove_file(fixture.directory.path().join("a.yaml")).unwrap();
    fixture.folder.sync(&fixture.world).unwrap();
    assert!(!fixture.has("b"));
}

#[test]
fn a_file_that_breaks_keeps_what_it_last_held() {
    let mut fixture = Fixture::new();
    fixture.write("a.yaml", &(pod("a", "10.0.0.1") + &pod("b", "10.0.0.2")));
    fixture.write("a.yaml", "kind: [broken");
    assert!(fixture.has("a") && fixture.has("b"));
    fixture.write("a.yaml", &pod("a", "10.0.0.1"));
    assert!(fixture.has("a") && !fixture.has("b"));
}

#[test]
fn an_object_that_moves_to_another_file_stays() {
    let mut fixture = Fixture::new();
    fixture.write("a.yaml", &pod("a", "10.0.0.1"));
    fixture.write("b.yaml", &pod("a", "10.0.0.1"));
    std::fs::remove_file(fixture.directory.path().join("a.yaml")).unwrap();
    fixture.folder.sync(&fixture.world).unwrap();
    assert!(fixture.has("a"));
}

#[test]
fn of_an_object_in_two_files_the_one_that_stays_is_in_force() {
    let mut fixture = Fixture::new();
    fixture.write("a.yaml", &pod("a", "10.0.0.1"));
    fixture.write("b.yaml", &pod("a", "10.0.0.2"));
    let ip = |fixture: &Fixture| {
        fixture
            .world
            .read()
            .pod(&ObjectRef::new("default", "a"))
            .unwrap()
            .ips[0]
            .to_string()
    };
    assert_eq!(ip(&fixture), "10.0.0.2");
    std::fs::remove_file(fixture.directory.path().join("b.yaml")).unwrap();
    fixture.folder.sync(&fixture.world).unwrap();
    assert_eq!(ip(&fixture), "10.0.0.1");
}

#[test]
fn files_that_are_no_manifests_are_left_alone() {
    let mut fixture = Fixture::new();
    fixture.write("README.md", "kind: [");
    fixture.write(".a.yaml.swp", "kind: [");
    assert!(fixture.folder.files.is_empty());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let first = Readiness::default().pending("source");
    let Err(error) = Folder::new("/nowhere".into(), Arc::default(), first) else {
        panic!("it was taken");
    };
    assert!(format!("{error:#}").contains("/nowhere"));
}

#[tokio::test]
async fn an_edit_is_seen_and_the_first_state_is_announced() {
    let fixture = Fixture::new();
    let readiness = fixture.readiness;
    let (world, path) = (fixture.world.clone(), fixture.directory.path().to_owned());
    tokio::spawn(Box::new(fixture.folder).run(world.clone()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while !readiness.awaited().is_empty() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut version = world.version();
    std::fs::write(path.join("a.yaml"), pod("a", "10.0.0.1")).unwrap();
    tokio::time::timeout_at(deadline, version.changed())
        .await
        .unwrap()
        .unwrap();
    assert!(world.read().pod(&ObjectRef::new("default", "a")).is_some());
}
