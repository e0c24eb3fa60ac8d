use super::*;
use crate::plan::tests::{mk_plan, with_v6};

#[test]
fn the_table_of_a_usual_node_is_this() {
    let expected = r#"table inet podgate
delete table inet podgate
table inet podgate {
	chain guard {
		type filter hook prerouting priority -300; policy accept;
		iifname != "lo" ip daddr 169.254.170.24 counter drop
		ip daddr 169.254.169.254 fib saddr . iif oif 0 counter drop
	}
	chain intercept {
		type nat hook prerouting priority -110; policy accept;
		iifname "eth0" return
		ip daddr 169.254.169.254 tcp dport 80 counter dnat ip to 169.254.170.24:2579
	}
	chain closed {
		type filter hook prerouting priority -90; policy accept;
		iifname != "lo" ip daddr 169.254.169.254 meta l4proto tcp counter reject with tcp reset
		iifname != "lo" ip daddr 169.254.169.254 counter drop
	}
	chain local {
		type filter hook input priority 0; policy accept;
		iifname "lo" accept
		ip daddr 169.254.170.24 ct original ip daddr 169.254.169.254 counter accept
		ip daddr 169.254.170.24 counter drop
	}
}
"#;
    assert_eq!(transaction(&mk_plan(&["eth0"])), expected);
}

#[test]
fn everything_that_can_be_asked_for_gives_this_table() {
    let mut plan = with_v6(mk_plan(&["eth1", "eth0"]));
    plan.wire_server = true;
    plan.reverse_path = ReversePath::Loose;
    let expected = r#"table inet podgate {
	chain guard {
		type filter hook prerouting priority -300; policy accept;
		iifname != "lo" ip daddr 169.254.170.24 counter drop
		ip daddr 169.254.169.254 fib saddr oif 0 counter drop
		iifname != "lo" ip6 daddr fd70:6f64::24 counter drop
		ip6 daddr fd00:ec2::254 fib saddr oif 0 counter drop
	}
	chain intercept {
		type nat hook prerouting priority -110; policy accept;
		iifname "eth0" return
		iifname "eth1" return
		ip daddr 169.254.169.254 tcp dport 80 counter dnat ip to 169.254.170.24:2579
		ip6 daddr fd00:ec2::254 tcp dport 80 counter dnat ip6 to [fd70:6f64::24]:2579
	}
	chain closed {
		type filter hook prerouting priority -90; policy accept;
		iifname != "lo" ip daddr 169.254.169.254 meta l4proto tcp counter reject with tcp reset
		iifname != "lo" ip daddr 169.254.169.254 counter drop
		iifname != "lo" ip6 daddr fd00:ec2::254 meta l4proto tcp counter reject with tcp reset
		iifname != "lo" ip6 daddr fd00:ec2::254 counter drop
		iifname != "lo" ip daddr 168.63.129.16 tcp dport { 80, 32526 } counter reject with tcp reset
	}
	chain local {
		type filter hook input priority 0; policy accept;
		iifname "lo" accept
		ip daddr 169.254.170.24 ct original ip daddr 169.254.169.254 counter accept
		ip daddr 169.254.170.24 counter drop
		ip6 daddr fd70:6f64::24 ct original ip6 daddr fd00:ec2::254 counter accept
		ip6 daddr fd70:6f64::24 counter drop
	}
}
"#;
    assert_eq!(table(&plan), expected);
}

#[test]
fn a_node_without_a_default_route_still_redirects() {
    let table = table(&mk_plan(&[]));
    assert!(!table.contains("return"));
    assert!(table.contains("dnat ip to 169.254.170.24:2579"));
}

#[test]
fn the_listeners_of_a_table_are_read_back() {
    let plan = with_v6(mk_plan(&["eth0"]));
    let expected: Vec<IpAddr> = plan
        .redirects
        .iter()
        .map(|redirect| redirect.listener.ip())
        .collect();
    assert_eq!(listeners(&table(&plan)), expected);
}
