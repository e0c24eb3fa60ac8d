use std::path::PathBuf;

use super::*;

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("podgate-images-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mk_image() -> Image {
    let mut tree = Tree::default();
    tree.file("/usr/bin/program", b"program".to_vec(), 0o755);
    Image {
        arch: Arch::Amd64,
        layers: vec![
            Layer::new("base", Tree::default()),
            Layer::new("program", tree),
        ],
        user: "65532:65532",
        entrypoint: "/usr/bin/program".to_owned(),
        labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
    }
}

fn json_of(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The blob that a descriptor names, checked against its digest and size.
fn blob(layout: &Path, descriptor: &Json) -> Vec<u8> {
    let name = descriptor["digest"].as_str().unwrap();
    let bytes = fs::read(layout.join("blobs").join(name.replace(':', "/"))).unwrap();
    assert_eq!(digest(&bytes), name);
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

#[test]
fn two_runs_give_the_same_bytes() {
    let (one, other) = (Scratch::new("one"), Scratch::new("other"));
    let first = mk_image()
        .write(&one.0.join("i"), "docker.io/podgate/i:1")
        .unwrap();
    let second = mk_image()
        .write(&other.0.join("i"), "docker.io/podgate/i:1")
        .unwrap();
    assert_eq!(first, second);
    assert_eq!(
        fs::read(one.0.join("i.tar")).unwrap(),
        fs::read(other.0.join("i.tar")).unwrap()
    );
}

#[test]
fn the_layout_leads_from_its_index_to_every_blob() {
    let scratch = Scratch::new("layout");
    let layout = scratch.0.join("i");
    let written = mk_image().write(&layout, "docker.io/podgate/i:1").unwrap();
    let index = json_of(&layout.join("index.json"));
    assert_eq!(index["manifests"][0]["digest"], written.digest);
    let manifest: Json = serde_json::from_slice(&blob(&layout, &index["manifests"][0])).unwrap();
    let config: Json = serde_json::from_slice(&blob(&layout, &manifest["config"])).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    for (layer, unpacked) in manifest["layers"].as_array().unwrap().iter().zip(0..) {
        let mut archive = Vec::new();
        std::io::Read::read_to_end(
            &mut flate2::read::GzDecoder::new(&blob(&layout, layer)[..]),
            &mut archive,
        )
        .unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][unpacked], digest(&archive));
    }
}

#[test]
fn the_archive_has_the_same_configuration_as_the_layout() {
    let scratch = Scratch::new("archive");
    let layout = scratch.0.join("i");
    mk_image().write(&layout, "docker.io/podgate/i:1").unwrap();
    let manifest: Json = serde_json::from_slice(&blob(
        &layout,
        &json_of(&layout.join("index.json"))["manifests"][0],
    ))
    .unwrap();
    let mut archive = tar::Archive::new(fs::File::open(layout.with_extension("tar")).unwrap());
    let paths: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    let config = manifest["config"]["digest"]
        .as_str()
        .unwrap()
        .trim_start_matches("sha256:");
    assert!(paths.contains(&format!("{config}.json")), "{paths:?}");
    assert!(paths.contains(&"manifest.json".to_owned()), "{paths:?}");
}

#[test]
fn an_older_image_leaves_no_blob_behind() {
    let scratch = Scratch::new("older");
    let layout = scratch.0.join("i");
    mk_image().write(&layout, "docker.io/podgate/i:1").unwrap();
    let before = fs::read_dir(layout.join("blobs/sha256")).unwrap().count();
    let newer = Image {
        user: "0:0",
        ..mk_image()
    };
    newer.write(&layout, "docker.io/podgate/i:2").unwrap();
    assert_eq!(
        fs::read_dir(layout.join("blobs/sha256")).unwrap().count(),
        before
    );
}
