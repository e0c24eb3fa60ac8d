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
    assert_eq!(
        duration("call", "250ms").unwrap(),
        Duration::from_millis(250)
    );
    assert_eq!(duration("call", "2s").unwrap(), Duration::from_secs(2));
    assert_eq!(duration("call", "2").unwrap(), Duration::from_secs(2));
    assert!(duration("call", "soon").is_err());
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

/// The members that a reader names when it meets one it does not know.
fn members(world: World, text: &str) -> Vec<String> {
    let problem = problem(world, text);
    let expected = problem.split_once("expected ");
    let names = expected.unwrap_or_else(|| panic!("{problem}")).1;
    let names = names.lines().next().unwrap();
    let names = names.trim_start_matches("one of ").split([',', ' ']);
    let names = names.map(|name| name.trim_matches('`').to_owned());
    names
        .filter(|name| !name.is_empty() && name != "or")
        .collect()
}

#[test]
fn the_guide_has_every_member() {
    let guide = include_str!("../../../../../docs/plugin-guide.md");
    let case = |rest: &str| format!("cases:\n  - name: a\n    {rest}\n");
    let expect = |rest: &str| case(&format!("expect: {{ {rest} }}"));
    let policy = [
        "zzz: 1\ncases: []\n".to_owned(),
        "grants: { zzz: 1 }\ncases: []\n".to_owned(),
        "limits: { zzz: 1 }\ncases: []\n".to_owned(),
        case("zzz: 1"),
        case("pod: { zzz: 1 }"),
        case("request: { zzz: 1 }"),
        case("exceptions: [{ zzz: 1 }]"),
        case("identity: { zzz: 1 }"),
        case("http: [{ zzz: 1 }]"),
        case("http: [{ request: { zzz: 1 } }]"),
        case("http: [{ answer: { zzz: 1 } }]"),
        case("http: [{ fails: zzz }]"),
        case("subject: { zzz: 1 }"),
        case("subject: { identityType: zzz }"),
        case("times: { zzz: 1 }"),
        expect("zzz: 1"),
        expect("verdict: zzz"),
        expect("token: { zzz: 1 }"),
        expect("refused: { zzz: 1 }"),
        expect("unavailable: { zzz: 1 }"),
        expect("plan: { zzz: 1 }"),
        expect("problems: [{ zzz: 1 }]"),
        expect("signatures: [{ zzz: 1 }]"),
        expect("signatures: [{ jwt: { zzz: 1 } }]"),
        expect("log: [{ zzz: 1 }]"),
        expect("verdict: { deny: { zzz: 1 } }"),
    ];
    let words: BTreeSet<&str> = guide
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    for text in policy {
        let members = members(World::Policy, &text);
        assert!(!members.is_empty(), "{text}");
        for member in members {
            assert!(words.contains(member.as_str()), "{member}: {text}");
        }
    }
}
