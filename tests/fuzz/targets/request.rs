//! The front door: any request line and any headers. The path that is let in has one spelling, and no request
//! leads to the upstream by another.
#![no_main]

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use podgate_gateway::imds::{self, CanonicalPath, Question, Rules};

fn rules() -> Rules {
    Rules {
        metadata_header_required: true,
        block_instance_metadata: false,
        hosts: vec!["169.254.169.254".to_owned()],
    }
}

/// The first line is the target, the others are headers.
fn request(text: &[u8]) -> Option<Request<()>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let uri = Uri::try_from(lines.next()?).ok()?;
    let mut request = Request::builder().method(Method::GET).uri(uri);
    for line in lines.take(20) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.header(name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?);
    }
    request.body(()).ok()
}

fuzz_target!(|text: &[u8]| {
    let Some(request) = request(text) else { return };
    let Ok(path) = imds::target(&request) else { return };
    let canonical = path.as_str();
    assert_eq!(CanonicalPath::parse(canonical).as_ref().map(CanonicalPath::as_str), Ok(canonical));
    assert!(!canonical.contains("//") && !canonical.contains(['%', '\\', ';', '?', '#']));
    assert!(canonical.split('/').all(|segment| segment != "." && segment != ".."));
    assert!(canonical.is_ascii());
    if let Ok(Question::Metadata(question)) = imds::parse(&request, path, &rules()) {
        let path = question.path.as_str();
        let known = ["/metadata/identity/info", "/metadata/versions"].contains(&path)
            || path == "/metadata/instance"
            || path.starts_with("/metadata/instance/");
        assert!(known, "{path} would be proxied");
    }
});
