use super::*;

use serde_json::{Value, json};
use tempfile::TempDir;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and so on";

/// A layout with an artifact of these layers, and the digest of its manifest.
struct Layout {
    folder: TempDir,
    digest: String,
}

fn put(folder: &Path, bytes: &[u8]) -> String {
    let digest = Digest::of(bytes).to_string();
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(&digest), bytes).unwrap();
    format!("sha256:{digest}")
}

fn layer(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()})
}

fn layout(layers: &[Value]) -> Layout {
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": "sha256:00", "size": 2},
        "layers": layers});
    of_manifest(manifest.to_string().as_bytes())
}

fn of_manifest(manifest: &[u8]) -> Layout {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), COMPONENT);
    let digest = put(folder.path(), manifest);
    Layout { folder, digest }
}

impl Layout {
    async fn component(&self) -> Result<Bytes, String> {
        let read = component(self.folder.path(), &self.digest).await;
        read.map_err(|error| format!("{error:#}"))
    }
}

#[tokio::test]
async fn an_artifacts_one_component_is_found_by_the_digest_of_its_manifest() {
    for media_type in LAYERS {
        let beside = layer("text/markdown", b"# read me");
        let layout = layout(&[beside, layer(media_type, COMPONENT)]);
        assert_eq!(layout.component().await.unwrap(), COMPONENT, "{media_type}");
    }
}

#[tokio::test]
async fn what_is_no_components_artifact_is_refused_in_words() {
    let (wasm, other) = (layer(LAYERS[0], COMPONENT), layer("application/tar", b"a"));
    let with = |key: &str, value: Value| {
        let mut layer = wasm.clone();
        layer[key] = value;
        layout(&[layer])
    };
    for (layout, words) in [
        (layout(&[]), "no layer of type application/wasm"),
        (layout(&[other]), "application/tar"),
        (layout(&[wasm.clone(), wasm.clone()]), "several components"),
        (
            of_manifest(br#"{"schemaVersion":2,"manifests":[]}"#),
            "an index",
        ),
        (of_manifest(b"\x7fELF"), "no OCI image manifest"),
        (with("size", json!(MAX_COMPONENT + 1)), "at most"),
        (with("size", json!(-1)), "no OCI image manifest"),
        (with("size", json!(COMPONENT.len() - 1)), "more than"),
        (with("digest", json!("sha512:00")), "no SHA-256 digest"),
        (
            with("digest", json!("sha256:../../oci-layout")),
            "no SHA-256 digest",
        ),
        (
            with("digest", json!(format!("sha256:{}", "0".repeat(64)))),
            "No such file",
        ),
    ] {
        let error = layout.component().await.unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[tokio::test]
async fn a_blob_that_was_replaced_is_never_used() {
    let layout = layout(&[layer(LAYERS[0], COMPONENT)]);
    let path = |digest: &str| blob(layout.folder.path(), digest).unwrap();
    let of_component = format!("sha256:{}", Digest::of(COMPONENT));
    let mut same_size = COMPONENT.to_vec();
    same_size[10] ^= 1;
    std::fs::write(path(&of_component), &same_size).unwrap();
    let error = layout.component().await.unwrap_err();
    assert!(
        error.contains("the artifact's component") && error.contains("was replaced"),
        "{error}"
    );
    std::fs::write(path(&layout.digest), br#"{"layers":[]}"#).unwrap();
    let error = layout.component().await.unwrap_err();
    assert!(
        error.contains("the artifact's manifest") && error.contains("was replaced"),
        "{error}"
    );
}
