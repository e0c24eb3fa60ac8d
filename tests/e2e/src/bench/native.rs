//! The decision of exception-matcher as a native function: what a call of the component is compared with.

use podgate_plugin_host::{PolicyQuestion, Verdict};

/// The component's verdict with its default settings, for labels in ASCII: one pair of an exception on the pod, the key
/// exactly and the value without regard to case.
pub(super) fn decide(question: &PolicyQuestion) -> Verdict {
    let mut pairs = question
        .exceptions
        .iter()
        .flat_map(|exception| &exception.pod_labels);
    let is_excepted = pairs.any(|pair| {
        let mut labels = question.pod.labels.iter();
        labels.any(|label| label.name == pair.name && label.value.eq_ignore_ascii_case(&pair.value))
    });
    if is_excepted {
        Verdict::Bypass
    } else {
        Verdict::Pass
    }
}
