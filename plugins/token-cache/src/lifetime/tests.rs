use proptest::prelude::*;

use super::*;

const RULE: Rule = Rule {
    refresh_at: 500_000,
    margin: 300,
    max_age: None,
    skip: false,
};
const NOW: u64 = 1_700_000_000;
/// No jitter at all.
const MIDDLE: u32 = 500_000;

fn planned(rule: &Rule, life: u64, jitter: u32) -> (u64, u64, u64) {
    let plan = plan(
        rule,
        Times {
            obtained: NOW,
            expires: NOW + life,
            jitter,
        },
    );
    (
        plan.refresh_at - NOW,
        plan.fresh_until - NOW,
        plan.keep_until - NOW,
    )
}

#[test]
fn a_token_is_renewed_at_half_its_life_and_fresh_until_five_minutes_before_its_end() {
    assert_eq!(planned(&RULE, 3600, MIDDLE), (1800, 3300, 3600));
    assert_eq!(planned(&RULE, 86_400, MIDDLE), (43_200, 86_100, 86_400));
}

#[test]
fn jitter_moves_the_renewal_by_a_tenth_to_either_side() {
    assert_eq!(planned(&RULE, 3600, 0).0, 1620);
    assert_eq!(planned(&RULE, 3600, 999_999).0, 1979);
    assert_eq!(planned(&RULE, 3600, u32::MAX).0, 1980);
}

#[test]
fn a_token_of_short_life_is_fresh_for_half_of_it_and_still_renewed_ahead() {
    assert_eq!(planned(&RULE, 120, MIDDLE), (54, 60, 120));
    assert!(planned(&RULE, 120, u32::MAX).0 <= 60);
    assert_eq!(planned(&RULE, 600, MIDDLE).1, 300);
    assert_eq!(planned(&RULE, 601, MIDDLE).1, 301);
}

#[test]
fn a_late_renewal_gives_way_to_the_margin() {
    let late = Rule {
        refresh_at: 950_000,
        ..RULE
    };
    assert_eq!(planned(&late, 3600, MIDDLE).0, 3000);
    assert!(planned(&late, 3600, u32::MAX).0 <= 3300);
}

#[test]
fn a_greatest_age_cuts_all_times_as_if_the_token_ended_there() {
    let aged = Rule {
        max_age: Some(3600),
        ..RULE
    };
    assert_eq!(planned(&aged, 86_400, MIDDLE), (1800, 3300, 3600));
    assert_eq!(planned(&aged, 1800, MIDDLE), planned(&RULE, 1800, MIDDLE));
}

#[test]
fn a_token_that_had_ended_is_not_kept() {
    let plan = plan(
        &RULE,
        Times {
            obtained: NOW,
            expires: NOW - 10,
            jitter: 0,
        },
    );
    let ended = NOW - 10;
    assert_eq!(
        plan,
        Plan {
            refresh_at: ended,
            fresh_until: ended,
            keep_until: ended
        }
    );
}

fn rules() -> impl Strategy<Value = Rule> {
    (
        0u32..=MILLION,
        any::<u32>(),
        any::<Option<u32>>(),
        any::<bool>(),
    )
        .prop_map(|(refresh_at, margin, max_age, skip)| Rule {
            refresh_at,
            margin,
            max_age,
            skip,
        })
}

fn times() -> impl Strategy<Value = Times> {
    let near = (
        NOW - 10_000..NOW + 10_000,
        NOW - 10_000..NOW + 200_000,
        0..MILLION,
    );
    prop_oneof![(any::<u64>(), any::<u64>(), any::<u32>()), near].prop_map(
        |(obtained, expires, jitter)| Times {
            obtained,
            expires,
            jitter,
        },
    )
}

proptest! {
    #[test]
    fn times_are_in_order_and_never_past_the_end(rule in rules(), times in times()) {
        let plan = plan(&rule, times);
        prop_assert!(times.obtained.min(times.expires) <= plan.refresh_at);
        prop_assert!(plan.refresh_at <= plan.fresh_until);
        prop_assert!(plan.fresh_until <= plan.keep_until);
        prop_assert!(plan.keep_until <= times.expires);
    }

    #[test]
    fn no_token_is_kept_past_the_greatest_age(rule in rules(), times in times(), age in any::<u32>()) {
        let plan = plan(&Rule { max_age: Some(age), ..rule }, times);
        prop_assert!(plan.keep_until.saturating_sub(times.obtained) <= age.into());
    }

    #[test]
    fn a_longer_life_never_means_an_earlier_renewal(rule in rules(), times in times(), more in 0u64..100_000) {
        let longer = Times { expires: times.expires.saturating_add(more), ..times };
        let (short, long) = (plan(&rule, times), plan(&rule, longer));
        prop_assert!(short.refresh_at <= long.refresh_at);
        prop_assert!(short.fresh_until <= long.fresh_until);
        prop_assert!(short.keep_until <= long.keep_until);
    }

    #[test]
    fn more_jitter_never_means_an_earlier_renewal(rule in rules(), times in times(), more in 0..MILLION) {
        let later = Times { jitter: times.jitter.saturating_add(more), ..times };
        prop_assert!(plan(&rule, times).refresh_at <= plan(&rule, later).refresh_at);
    }

    #[test]
    fn a_token_of_a_minute_or_more_is_renewed_before_a_pod_has_to_wait(rule in rules(), life in 60u64..1_000_000, jitter in 0..MILLION) {
        let rule = Rule { max_age: None, ..rule };
        let plan = plan(&rule, Times { obtained: NOW, expires: NOW + life, jitter });
        prop_assert!(plan.refresh_at < plan.fresh_until);
    }
}
