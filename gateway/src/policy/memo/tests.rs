use std::sync::Arc;

use podgate_azure::imds::Selector;

use super::*;
use crate::imds::Route;
use crate::pod::testing::resolved;

fn question(resource: &str) -> TokenQuestion {
    TokenQuestion {
        resource: resource.parse().unwrap(),
        selector: Selector::Unspecified,
        bypass_cache: false,
        route: Route::Token,
    }
}

fn long(number: usize) -> TokenQuestion {
    question(&format!("https://{number}.example/{}", "x".repeat(900)))
}

fn bytes(memo: &Memo) -> usize {
    memo.pods.iter().map(|verdicts| verdicts.bytes).sum()
}

#[test]
fn a_pod_that_asks_for_ever_new_audiences_costs_no_other_pod_its_verdicts() {
    let (memo, exceptions) = (Memo::new(), Exceptions::default());
    let (greedy, modest) = (
        resolved("greedy", "10.0.0.1"),
        resolved("modest", "10.0.0.2"),
    );
    memo.put(&modest, &question("vault"), &exceptions, &Ruling::Pass);
    for number in 0..10_000 {
        memo.put(&greedy, &long(number), &exceptions, &Ruling::Pass);
    }
    let kept = memo.get(&modest, &question("vault"), &exceptions);
    assert_eq!(kept, Some(Ruling::Pass));
    assert!(memo.get(&greedy, &long(9_999), &exceptions).is_some());
    assert!(bytes(&memo) <= 2 * MAX_BYTES, "{} bytes", bytes(&memo));
}

#[test]
fn long_verdicts_count_as_much_as_they_take() {
    let (memo, exceptions) = (Memo::new(), Exceptions::default());
    let pod = resolved("pod", "10.0.0.1");
    let reason: Arc<str> = "x".repeat(10_000).into();
    for number in 0..100 {
        let ruling = Ruling::Deny(Arc::clone(&reason));
        memo.put(&pod, &question(&number.to_string()), &exceptions, &ruling);
    }
    let kept = memo
        .pods
        .iter()
        .map(|verdicts| verdicts.rulings.len())
        .sum::<usize>();
    assert!((1..=6).contains(&kept), "{kept}");
}

#[test]
fn pods_beyond_the_bound_take_the_place_of_who_asked_for_nothing_for_longest() {
    let (memo, exceptions) = (Memo::new(), Exceptions::default());
    let ask = |number: usize| {
        let pod = resolved(&format!("pod-{number}"), "10.0.0.1");
        memo.put(&pod, &question("vault"), &exceptions, &Ruling::Pass);
    };
    let kept = |number: usize| {
        let pod = resolved(&format!("pod-{number}"), "10.0.0.1");
        memo.get(&pod, &question("vault"), &exceptions).is_some()
    };
    (0..MAX_PODS).for_each(ask);
    assert!(kept(0));
    ask(MAX_PODS);
    assert_eq!(memo.pods.len(), MAX_PODS);
    assert!(kept(0) && kept(MAX_PODS) && !kept(1));
}
