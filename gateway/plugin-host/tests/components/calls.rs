//! What becomes of a call, whatever the component does with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use podgate_plugin_host::{Instances, Limits, Plugin, PluginError, Policy, Verdict};
use rustix::time::{ClockId, clock_gettime};
use tracing::Level;

use crate::policy::{CONFIGURE, DECIDE, answering, policy, with_log, with_pages};
use crate::support::lines::Lines;
use crate::support::{host, hurried, plugin, question};

async fn load(component: Vec<u8>) -> Arc<dyn Policy> {
    load_plugin(plugin(component)).await
}

async fn load_plugin(plugin: Plugin) -> Arc<dyn Policy> {
    host().policy(plugin).await.unwrap()
}

async fn asked(component: Vec<u8>) -> Result<Verdict, PluginError> {
    load(component).await.decide(&question()).await
}

fn deciding(body: &str) -> String {
    format!(r#"{CONFIGURE} (func $decide (export "decide") (param i32) (result i32) {body})"#)
}

#[tokio::test]
async fn answers_come_back_as_they_are() {
    assert_eq!(asked(answering(0, "")).await, Ok(Verdict::Pass));
    assert_eq!(
        asked(answering(2, "not today")).await,
        Ok(Verdict::Deny("not today".into()))
    );
    assert_eq!(asked(answering(3, "")).await, Ok(Verdict::Restrict(vec![])));
}

#[tokio::test]
async fn bypass_needs_its_grant() {
    let error = asked(answering(1, "")).await.unwrap_err();
    assert_eq!(error.category(), "bypass_not_granted");
    let mut granted = plugin(answering(1, ""));
    granted.grants.bypass = true;
    let answer = load_plugin(granted).await.decide(&question()).await;
    assert_eq!(answer, Ok(Verdict::Bypass));
}

#[tokio::test]
async fn a_reason_is_cleaned_and_cut_before_anybody_sees_it() {
    let answer = asked(answering(2, "no\r\n\u{1b}[2Jentry")).await;
    assert_eq!(answer, Ok(Verdict::Deny("no [2Jentry".into())));
    let Ok(Verdict::Deny(reason)) = asked(answering(2, &"a".repeat(3000))).await else {
        panic!("it is a denial");
    };
    assert!(reason.len() < 1100, "{} bytes", reason.len());
}

#[tokio::test]
async fn an_answer_longer_than_its_limit_is_thrown_away() {
    let mut small = plugin(answering(2, "more than ten bytes"));
    small.limits.answer = 10;
    let error = load_plugin(small)
        .await
        .decide(&question())
        .await
        .unwrap_err();
    assert_eq!(error.category(), "oversized");
    // Two MiB of zeros: beyond what is even copied out of the guest.
    let huge = r#"(data (i32.const 32) "\02\00\00\00\00\00\00\00\00\00\20\00")"#;
    let error = asked(with_pages(40, &format!("{huge} {CONFIGURE} {DECIDE}")))
        .await
        .unwrap_err();
    assert_eq!(error.category(), "oversized");
}

#[tokio::test]
async fn a_list_of_empty_texts_counts_by_its_length() {
    // Client ids, each empty: their places are zeros. 16,384 of them, and 262,144: six MiB in the host.
    for count in ["00\\40\\00", "00\\00\\04"] {
        let many = format!(r#"(data (i32.const 32) "\03\00\00\00\00\00\02\00\{count}\00")"#);
        let error = asked(with_pages(80, &format!("{many} {CONFIGURE} {DECIDE}")))
            .await
            .unwrap_err();
        assert_eq!(error.category(), "oversized");
    }
}

#[tokio::test]
async fn text_that_is_no_utf8_and_cases_that_do_not_exist_are_unusable_answers() {
    let bad_text = r#"(data (i32.const 32) "\02\00\00\00\40\00\00\00\01\00\00\00") (data (i32.const 64) "\ff")"#;
    let bad_case = r#"(data (i32.const 32) "\09")"#;
    let outside = r#"(data (i32.const 32) "\02\00\00\00\00\00\ff\00\10\00\00\00")"#;
    for data in [bad_text, bad_case, outside] {
        let error = asked(policy(&format!("{data} {CONFIGURE} {DECIDE}")))
            .await
            .unwrap_err();
        assert_eq!(error.category(), "invalid_answer", "{error}");
    }
}

#[tokio::test]
async fn a_crash_names_the_function_it_happened_in() {
    let inner = "(func $find_team (result i32) unreachable)";
    let error = asked(policy(&format!(
        "{inner} {}",
        deciding("(call $find_team)")
    )))
    .await
    .unwrap_err();
    assert_eq!(error.category(), "trap");
    let text = error.to_string();
    assert!(
        text.contains("panicked") && text.contains("find_team < decide"),
        "{text}"
    );
}

#[tokio::test]
async fn endless_recursion_is_a_crash_of_its_own_kind() {
    let error = asked(policy(&deciding("(call $decide (i32.const 0))")))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("its stack overflowed"),
        "{error}"
    );
}

#[tokio::test]
async fn a_plugin_that_crashed_answers_the_next_question() {
    // Crashes over the first question of an instance that has a pod whose name begins with a zero byte.
    let body = "(if (i32.eqz (i32.load8_u (i32.load offset=8 (local.get 0)))) (then unreachable)) (i32.const 32)";
    let loaded = load(policy(&deciding(body))).await;
    let mut bad = question();
    bad.pod.name = "\0".into();
    for _ in 0..3 {
        assert_eq!(loaded.decide(&bad).await.unwrap_err().category(), "trap");
        assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    }
}

/// Crashes where a question was put to the same instance before.
const ONCE: &str = "(if (i32.load (i32.const 512)) (then unreachable)) (i32.store (i32.const 512) (i32.const 1)) (i32.const 32)";

#[tokio::test]
async fn no_call_sees_what_another_one_left() {
    let loaded = load(policy(&deciding(ONCE))).await;
    assert!(loaded.is_pure());
    for _ in 0..50 {
        assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    }
}

#[tokio::test]
async fn a_kept_instance_remembers_until_it_crashes_and_is_never_taken_for_pure() {
    let mut kept = plugin(policy(&deciding(ONCE)));
    kept.instances = Instances::Kept;
    let loaded = load_plugin(kept).await;
    assert!(!loaded.is_pure());
    for _ in 0..5 {
        assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
        let error = loaded.decide(&question()).await.unwrap_err();
        assert_eq!(error.category(), "trap");
    }
}

/// Grows by ten pages for each question, up to the half of its 8 MiB.
#[tokio::test]
async fn a_kept_instance_that_has_grown_large_makes_way_for_a_fresh_one() {
    let body = "(if (i32.gt_u (memory.size) (i32.const 76)) (then unreachable))
        (drop (memory.grow (i32.const 10))) (i32.const 32)";
    let mut kept = plugin(policy(&deciding(body)));
    kept.instances = Instances::Kept;
    let loaded = load_plugin(kept).await;
    for _ in 0..100 {
        assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    }
}

/// Copes with a refused growth in its first call, and crashes for a reason of its own in its second.
#[tokio::test]
async fn a_kept_instances_failure_is_not_explained_by_what_an_earlier_call_went_without() {
    let body = "(i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
        (if (i32.gt_u (i32.load (i32.const 512)) (i32.const 1)) (then unreachable))
        (drop (memory.grow (i32.const 1024))) (i32.const 32)";
    let mut kept = plugin(policy(&deciding(body)));
    kept.instances = Instances::Kept;
    let loaded = load_plugin(kept).await;
    assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    let error = loaded.decide(&question()).await.unwrap_err();
    assert_eq!(error.category(), "trap");
}

#[tokio::test]
async fn a_kept_instance_makes_way_for_a_fresh_one_after_a_thousand_calls() {
    let body = "(i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
        (if (i32.gt_u (i32.load (i32.const 512)) (i32.const 1000)) (then unreachable)) (i32.const 32)";
    // Its allocator never frees: there is room for a thousand questions.
    let mut kept = plugin(with_pages(80, &deciding(body)));
    kept.instances = Instances::Kept;
    kept.limits.memory = 16 << 20;
    let loaded = load_plugin(kept).await;
    for _ in 0..3000 {
        assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    }
}

#[tokio::test]
async fn every_instance_is_configured_before_its_question() {
    // Denies with its settings as the reason.
    let main = r#"
        (func (export "configure") (param $at i32) (param $length i32) (result i32)
            (i32.store8 (i32.const 32) (i32.const 2))
            (i32.store (i32.const 36) (local.get $at))
            (i32.store (i32.const 40) (local.get $length))
            (i32.const 16))"#;
    let mut configured = plugin(policy(&format!("{main} {DECIDE}")));
    configured.settings = r#"{"mode":"strict"}"#.into();
    let loaded = load_plugin(configured).await;
    for _ in 0..2 {
        let answer = loaded.decide(&question()).await;
        assert_eq!(answer, Ok(Verdict::Deny(r#"{"mode":"strict"}"#.into())));
    }
}

#[tokio::test]
async fn memory_beyond_the_limit_is_named_as_that() {
    let greedy = deciding(
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
    );
    let error = asked(policy(&greedy)).await.unwrap_err();
    assert_eq!(error.category(), "memory");
    assert!(error.to_string().contains("8388608 bytes"), "{error}");
    let error = host()
        .policy(plugin(with_pages(512, &deciding("(i32.const 32)"))))
        .await
        .err()
        .unwrap();
    assert_eq!(error.category(), "memory");
}

/// Each takes its memory over several turns, and four of them have as much as all of a plugin may.
#[tokio::test]
async fn after_a_failure_calls_wait_for_the_memory_of_others_instead_of_failing_for_it() {
    let greedy = deciding(
        "(local $left i32)
        (loop $more
            (local.set $left (i32.const 1000000))
            (loop $work
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $work (local.get $left)))
            (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        unreachable",
    );
    let mut patient = plugin(policy(&greedy));
    patient.limits.call = Duration::from_secs(60);
    patient.limits.cpu = Duration::from_secs(10);
    let loaded = load_plugin(patient).await;
    let ask = || {
        let loaded = Arc::clone(&loaded);
        tokio::spawn(async move { loaded.decide(&question()).await.unwrap_err().category() })
    };
    assert_eq!(ask().await.unwrap(), "memory");
    let calls: Vec<_> = (0..16).map(|_| ask()).collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "memory");
    }
}

#[tokio::test]
async fn a_refused_growth_that_the_guest_copes_with_is_no_error() {
    let modest = deciding("(drop (memory.grow (i32.const 1024))) (i32.const 32)");
    assert_eq!(asked(policy(&modest)).await, Ok(Verdict::Pass));
}

#[tokio::test]
async fn a_table_beyond_the_limit_is_named_as_that() {
    let table = format!("(table 40000 funcref) {}", deciding("(i32.const 32)"));
    let error = host().policy(plugin(policy(&table))).await.err().unwrap();
    assert_eq!(error.category(), "table");
}

const ENDLESS: &str = "(loop $l (br $l)) unreachable";

#[tokio::test]
async fn a_loop_ends_when_it_has_used_up_its_processor_time() {
    let loaded = load_plugin(hurried(policy(&deciding(ENDLESS)))).await;
    let error = loaded.decide(&question()).await.unwrap_err();
    assert_eq!(error.category(), "cpu");
    assert!(error.to_string().contains("more than 100ms"), "{error}");
}

#[tokio::test]
async fn a_loop_that_gets_no_processor_ends_with_the_calls_time() {
    let mut endless = plugin(policy(&deciding(ENDLESS)));
    endless.limits.cpu = Duration::from_secs(3600);
    endless.limits.call = Duration::from_millis(100);
    let loaded = load_plugin(endless).await;
    let error = loaded.decide(&question()).await.unwrap_err();
    assert_eq!(error.category(), "timeout");
    assert!(error.to_string().contains("within 100ms"), "{error}");
}

#[tokio::test]
async fn a_call_that_had_its_place_late_is_no_failure_of_the_plugin() {
    let mut endless = plugin(policy(&deciding(ENDLESS)));
    endless.limits.cpu = Duration::from_secs(3600);
    endless.limits.call = Duration::from_secs(2);
    let call = endless.limits.call;
    let loaded = load_plugin(endless).await;
    let ask = || {
        let loaded = Arc::clone(&loaded);
        tokio::spawn(async move { loaded.decide(&question()).await.unwrap_err().category() })
    };
    // From now on it begins in the background, where four have a place.
    assert_eq!(ask().await.unwrap(), "timeout");
    let early = [(); 4].map(|()| ask());
    tokio::time::sleep(call / 4).await;
    let late = ask();
    for early in early {
        assert_eq!(early.await.unwrap(), "timeout");
    }
    assert_eq!(late.await.unwrap(), "overloaded");
}

/// The runtime has this one thread, and a loop takes a second: in it the others' calls are as quick as ever.
#[tokio::test]
async fn a_loop_holds_up_nobody_on_its_thread() {
    let mut patient = plugin(policy(&deciding(ENDLESS)));
    patient.limits.cpu = Duration::from_secs(1);
    let looping = load_plugin(patient).await;
    let quick = load(answering(0, "")).await;
    let endless = tokio::spawn(async move { looping.decide(&question()).await });
    let mut answers = 0;
    while !endless.is_finished() {
        assert_eq!(quick.decide(&question()).await, Ok(Verdict::Pass));
        answers += 1;
        tokio::task::yield_now().await;
    }
    assert!(answers >= 300, "{answers} answers in a second");
}

/// Some milliseconds of work for each question, well within its limit.
#[tokio::test]
async fn a_slow_plugin_answers_every_time() {
    let body = "(local $left i32) (local.set $left (i32.const 3000000))
        (loop $again
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $again (local.get $left)))
        (i32.const 32)";
    let mut slow = plugin(policy(&deciding(body)));
    slow.limits.cpu = Duration::from_secs(10);
    let loaded = load_plugin(slow).await;
    for _ in 0..10 {
        assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    }
}

#[tokio::test]
async fn calls_beyond_a_plugins_places_wait_for_one_and_then_fail() {
    let loaded = load_plugin(hurried(policy(&deciding(ENDLESS)))).await;
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let loaded = Arc::clone(&loaded);
            tokio::spawn(async move { loaded.decide(&question()).await.unwrap_err().category() })
        })
        .collect();
    for call in calls {
        let category = call.await.unwrap();
        assert!(
            matches!(category, "cpu" | "timeout" | "overloaded"),
            "{category}"
        );
    }
    // And afterwards every place is free again.
    assert_eq!(
        loaded.decide(&question()).await.unwrap_err().category(),
        "cpu"
    );
}

#[tokio::test]
async fn log_lines_carry_the_plugins_name_and_are_bounded() {
    let loaded = load(flooding(100)).await;
    assert!(loaded.is_pure());
    let lines = Lines::default();
    let guard = lines.catch();
    assert_eq!(loaded.decide(&question()).await, Ok(Verdict::Pass));
    drop(guard);
    let lines = lines.all();
    assert_eq!(lines.len(), Limits::default().log_lines + 1);
    assert!(
        lines
            .iter()
            .all(|line| line.plugin == "p" && line.level == Level::WARN)
    );
    assert_eq!(lines[0].message, "over here");
    assert_eq!(lines.last().unwrap().dropped, Some(100 - 32));
}

/// Passes after so many lines for the log.
fn flooding(lines: u32) -> Vec<u8> {
    let flood = deciding(&format!(
        "(local $left i32) (local.set $left (i32.const {lines}))
        (loop $again
            (call $write (i32.const 2) (i32.const 64) (i32.const 9))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $again (local.get $left)))
        (i32.const 32)"
    ));
    with_log(&format!(r#"(data (i32.const 64) "over\0ahere") {flood}"#))
}

#[tokio::test]
async fn a_plugin_that_floods_the_log_goes_on_in_the_background() {
    for instances in [Instances::Fresh, Instances::Kept] {
        let loaded = flooding_plugin(instances, 1_000).await;
        let lines = Lines::default();
        let guard = lines.catch();
        for _ in 0..2 {
            timed(&*loaded).await;
        }
        drop(guard);
        let lines = lines.all();
        let of_first = Limits::default().log_lines + 1;
        assert_ne!(lines[0].thread, "plugin-slow", "{instances:?}");
        assert_eq!(lines[of_first].thread, "plugin-slow", "{instances:?}");
    }
}

/// The first call is made on this thread, so what it takes of a processor can be told from its waits for one.
#[tokio::test]
async fn a_plugin_that_floods_the_log_rests_after_each_call() {
    for instances in [Instances::Fresh, Instances::Kept] {
        let (mut first, mut third) = (Duration::MAX, Duration::MAX);
        for _ in 0..4 {
            let loaded = flooding_plugin(instances, 2_000).await;
            let before = thread_time();
            timed(&*loaded).await;
            first = first.min(thread_time() - before);
            timed(&*loaded).await;
            third = third.min(timed(&*loaded).await);
        }
        assert!(third > first * 4, "{instances:?}: {first:?}, {third:?}");
    }
}

fn thread_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

async fn flooding_plugin(instances: Instances, lines: u32) -> Arc<dyn Policy> {
    load_plugin(Plugin {
        instances,
        ..plugin(flooding(lines))
    })
    .await
}

async fn timed(plugin: &dyn Policy) -> Duration {
    let start = Instant::now();
    assert_eq!(plugin.decide(&question()).await, Ok(Verdict::Pass));
    start.elapsed()
}

#[tokio::test]
async fn a_plugin_outlives_its_host() {
    let host = host();
    let looping = hurried(policy(&deciding(ENDLESS)));
    let loaded = host.policy(looping).await.unwrap();
    drop(host);
    assert_eq!(
        loaded.decide(&question()).await.unwrap_err().category(),
        "cpu"
    );
}
