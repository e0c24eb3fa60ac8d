use super::*;
use crate::plan::tests::{mk_plan, with_v6};

/// The tables as `iptables-save` prints them once they are in place, with `extra` rules of others in front.
fn saved(tables: &[Table], extra: &str) -> Vec<Saved> {
    let in_place = |table: &Table| {
        let mut text = String::from("# Generated\n*x\n:PREROUTING ACCEPT [7:420]\n");
        for chain in &table.chains {
            let _ = writeln!(text, ":{} - [0:0]", chain.name);
        }
        text.push_str(extra);
        for chain in &table.chains {
            let _ = writeln!(text, "-A {} -j {}", chain.hook, chain.name);
            for rule in &chain.rules {
                let _ = writeln!(text, "-A {} {rule}", chain.name);
            }
        }
        Saved::parse(&(text + "COMMIT\n"))
    };
    tables.iter().map(in_place).collect()
}

fn found(extra: &str) -> Vec<String> {
    let tables = tables(Family::V4, &mk_plan(&["eth0"]));
    let saved = saved(&tables, extra);
    std::iter::zip(&tables, &saved)
        .flat_map(|(table, saved)| table.differences(Family::V4, saved))
        .collect()
}

#[test]
fn the_tables_of_a_usual_node_are_these() {
    let tables = tables(Family::V4, &mk_plan(&["eth0"]));
    let text: String = tables
        .iter()
        .map(|table| table.replacement(&Saved::default()))
        .collect();
    let expected = "\
*filter
:PODGATE-LOCAL - [0:0]
:PODGATE-CLOSED - [0:0]
-A PODGATE-LOCAL -i lo -j RETURN
-A PODGATE-LOCAL -d 169.254.170.24/32 -m conntrack --ctorigdst 169.254.169.254 -j RETURN
-A PODGATE-LOCAL -d 169.254.170.24/32 -j DROP
-A PODGATE-LOCAL -d 169.254.169.254/32 -j DROP
-I INPUT 1 -j PODGATE-LOCAL
-A PODGATE-CLOSED -d 169.254.169.254/32 -p tcp -j REJECT --reject-with tcp-reset
-A PODGATE-CLOSED -d 169.254.169.254/32 -j DROP
-I FORWARD 1 -j PODGATE-CLOSED
COMMIT
*raw
:PODGATE-GUARD - [0:0]
-A PODGATE-GUARD -d 169.254.170.24/32 ! -i lo -j DROP
-A PODGATE-GUARD -d 169.254.169.254/32 -m rpfilter --invert -j DROP
-I PREROUTING 1 -j PODGATE-GUARD
COMMIT
*nat
:PODGATE-INTERCEPT - [0:0]
-A PODGATE-INTERCEPT -i eth0 -j RETURN
-A PODGATE-INTERCEPT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 169.254.170.24:2579
-I PREROUTING 1 -j PODGATE-INTERCEPT
COMMIT
";
    assert_eq!(text, expected);
}

#[test]
fn ipv6_has_tables_only_where_it_is_asked_for() {
    assert!(tables(Family::V6, &mk_plan(&["eth0"])).is_empty());
    let tables = tables(Family::V6, &with_v6(mk_plan(&["eth0"])));
    let nat = tables[2].replacement(&Saved::default());
    assert!(nat.contains(
        "-d fd00:ec2::254/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd70:6f64::24]:2579"
    ));
}

#[test]
fn the_wire_server_is_closed_only_when_asked_for() {
    let mut plan = mk_plan(&["eth0"]);
    let filter = |plan: &Plan| tables(Family::V4, plan)[0].replacement(&Saved::default());
    assert!(!filter(&plan).contains("168.63.129.16"));
    plan.wire_server = true;
    assert!(filter(&plan).contains("-d 168.63.129.16/32 -p tcp -m multiport --dports 80,32526"));
}

#[test]
fn a_replacement_moves_the_jump_to_the_front_and_leaves_one() {
    let tables = tables(Family::V4, &mk_plan(&[]));
    let before = Saved::parse(
        ":PODGATE-INTERCEPT - [0:0]\n-A PREROUTING -j KUBE\n-A PREROUTING -j PODGATE-INTERCEPT\n-A PREROUTING -j PODGATE-INTERCEPT\n",
    );
    let text = tables[2].replacement(&before);
    assert_eq!(
        text.matches("-D PREROUTING -j PODGATE-INTERCEPT\n").count(),
        2
    );
    assert_eq!(
        text.matches("-I PREROUTING 1 -j PODGATE-INTERCEPT\n")
            .count(),
        1
    );
    assert!(!text.contains("KUBE"));
}

#[test]
fn what_was_put_into_place_is_found_in_place() {
    assert_eq!(found(""), Vec::<String>::new());
}

#[test]
fn others_may_come_first_but_not_the_old_agent() {
    assert_eq!(
        found("-A PREROUTING -j cali-PREROUTING\n"),
        Vec::<String>::new()
    );
    let problems = found("-A PREROUTING -j aad-metadata\n");
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("aad-metadata comes first")),
        "{problems:?}"
    );
}

#[test]
fn a_second_jump_and_a_foreign_rule_in_a_chain_are_differences() {
    assert!(!found("-A PREROUTING -j PODGATE-INTERCEPT\n").is_empty());
    assert!(!found("-A PODGATE-GUARD -j ACCEPT\n").is_empty());
}

#[test]
fn a_removal_takes_exactly_what_is_there() {
    assert_eq!(removal(OWN[2], &Saved::parse(":KUBE - [0:0]\n")), None);
    let saved = Saved::parse(
        ":PODGATE-INTERCEPT - [0:0]\n-A PREROUTING -j KUBE\n-A PREROUTING -j PODGATE-INTERCEPT\n",
    );
    let expected = "*nat\n-D PREROUTING -j PODGATE-INTERCEPT\n-F PODGATE-INTERCEPT\n-X PODGATE-INTERCEPT\nCOMMIT\n";
    assert_eq!(removal(OWN[2], &saved).unwrap(), expected);
}

#[test]
fn the_old_agents_chain_goes_without_touching_others() {
    let saved = Saved::parse(
        ":aad-metadata - [0:0]\n-A PREROUTING -j aad-metadata\n-A PREROUTING -j KUBE-SERVICES\n-A aad-metadata -j RETURN\n",
    );
    let expected =
        "*nat\n-D PREROUTING -j aad-metadata\n-F aad-metadata\n-X aad-metadata\nCOMMIT\n";
    assert_eq!(old_agent_removal(&saved).unwrap(), expected);
}

#[test]
fn the_listeners_in_place_are_read_back() {
    let tables = tables(Family::V4, &mk_plan(&["eth0"]));
    let listeners = saved(&tables, "")[2].listeners();
    assert_eq!(listeners, ["169.254.170.24".parse::<IpAddr>().unwrap()]);
}
