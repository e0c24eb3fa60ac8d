use super::*;

fn parse(world: World, text: &str) -> anyhow::Result<Suite> {
    Suite::parse(text, world)
}

fn problem(world: World, text: &str) -> String {
    format!("{:#}", parse(world, text).unwrap_err())
}

#[test]
fn a_case_may_leave_out_what_is_usual() {
    let text = "cases:\n  - name: a\n    expect: { verdict: pass }\n";
    let suite = parse(World::Policy, text).unwrap();
    assert_eq!(suite.settings.to_string(), "{}");
    assert_eq!(suite.limits(World::Policy).unwrap(), Limits::default());
}

#[test]
fn every_answer_can_be_expected() {
    let cases = [
        (World::Policy, "verdict: bypass"),
        (World::Policy, "verdict: { deny: { contains: sundays } }"),
        (
            World::Policy,
            "verdict: { restrict: [a, b] }, log: [{ message: x }]",
        ),
        (
            World::Credential,
            "token: { expiresIn: 3599 }, signatures: [{ algorithm: PS256 }]",
        ),
        (
            World::Credential,
            "refused: { error: invalid_client, staleCredential: true }",
        ),
        (World::Credential, "unavailable: { retryAfter: null }"),
        (World::Cache, "key: null"),
        (World::Cache, "key: k, plan: { refreshAt: 7 }"),
        (World::Cache, "problems: [{ setting: /x }]"),
        (World::Cache, "failure: trap"),
    ];
    for (world, expect) in cases {
        let text = format!("cases:\n  - name: a\n    expect: {{ {expect} }}\n");
        parse(world, &text).unwrap_or_else(|error| panic!("{expect}: {error:#}"));
    }
}

#[test]
fn what_is_not_known_is_refused_at_its_place() {
    let case =
        |rest: &str| format!("cases:\n  - name: a\n    {rest}\n    expect: {{ verdict: pass }}\n");
    let problem = |rest: &str| problem(World::Policy, &case(rest));
    assert!(problem("pot: {}").contains("unknown field `pot`"));
    assert!(problem("pod: { namspace: x }").contains("unknown field `namspace`"));
    assert!(problem("subject: {}").contains("subject is for cache plugins"));
    assert!(problem("http: []").contains("http is for credential plugins"));
}

#[test]
fn a_case_that_expects_nothing_or_too_much_is_refused() {
    let case = |expect: &str| format!("cases:\n  - name: a\n    expect: {{ {expect} }}\n");
    for expect in ["", "log: []", "verdict: pass, failure: trap"] {
        let problem = problem(World::Policy, &case(expect));
        assert!(problem.contains("name one answer"), "{expect}: {problem}");
    }
    let problem = problem(World::Cache, &case("verdict: pass"));
    assert!(
        problem.contains("expect.verdict is for policy plugins"),
        "{problem}"
    );
}

#[test]
fn names_are_needed_and_tell_cases_apart() {
    let twice = "cases:\n  - { name: a, expect: { verdict: pass } }\n  - { name: a, expect: { verdict: pass } }\n";
    assert!(problem(World::Policy, twice).contains("two cases are named `a`"));
    assert!(problem(World::Policy, "cases: []").contains("no case"));
}

#[test]
fn limits_are_written_as_in_a_plugins_file() {
    assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
    assert_eq!(duration("2s").unwrap(), Duration::from_secs(2));
    assert_eq!(duration("2").unwrap(), Duration::from_secs(2));
    assert!(duration("soon").is_err());
}

#[test]
fn an_exchange_has_one_end() {
    let case = |http: &str| {
        format!("cases:\n  - name: a\n    http: [{http}]\n    expect: {{ failure: trap }}\n")
    };
    let good = case("{ answer: { status: 200, json: {} } }, { fails: timeout }");
    parse(World::Credential, &good).unwrap();
    for wrong in ["{}", "{ answer: { status: 200 }, fails: timeout }"] {
        assert!(
            problem(World::Credential, &case(wrong)).contains("each exchange"),
            "{wrong}"
        );
    }
}
