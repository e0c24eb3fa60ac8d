//! Taking over from the old agent, aad-pod-identity's NMI: its chain goes once ours is in place.
//!
//! A running NMI brings its chain back every minute. That harms nothing: our redirect comes first, by the priority
//! of its table or its place in the chain.

use crate::nftables::{Nftables, absent_is_none};
use crate::tool::ToolError;

/// NMI's chain, in the table `nat` of IPv4, jumped to from PREROUTING.
pub(crate) const CHAIN: &str = "aad-metadata";

/// Removes the chain from the tables that iptables-nft writes; says whether it was there.
///
/// # Errors
/// `nft` failed, for instance because another chain refers to it too.
pub(crate) async fn remove(nft: &Nftables) -> Result<bool, ToolError> {
    let list = |chain| async move {
        let arguments = ["-a", "list", "chain", "ip", "nat", chain];
        absent_is_none(nft.tool().run(&arguments, "").await)
    };
    if list(CHAIN).await?.is_none() {
        return Ok(false);
    }
    let hook = list("PREROUTING").await?.unwrap_or_default();
    nft.tool().run(&["-f", "-"], &removal(&hook)).await?;
    Ok(true)
}

/// One transaction: the rules of `hook` that jump to the chain, by their handles, then the chain.
fn removal(hook: &str) -> String {
    let mut text: String = hook
        .lines()
        .filter_map(jump_handle)
        .map(|handle| format!("delete rule ip nat PREROUTING handle {handle}\n"))
        .collect();
    text.push_str(&format!(
        "flush chain ip nat {CHAIN}\ndelete chain ip nat {CHAIN}\n"
    ));
    text
}

/// The handle of a rule like `counter packets 0 bytes 0 jump aad-metadata # handle 5`.
fn jump_handle(line: &str) -> Option<u64> {
    let (rule, handle) = line.rsplit_once(" # handle ")?;
    let target = rule.rsplit_once("jump ")?.1;
    (target == CHAIN).then(|| handle.trim().parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOK: &str = r#"table ip nat {
	chain PREROUTING { # handle 4
		type nat hook prerouting priority dstnat; policy accept;
		counter packets 9 bytes 540 jump aad-metadata # handle 5
		counter packets 9 bytes 540 jump aad-metadata-of-mine # handle 6
		 counter packets 9 bytes 540 jump KUBE-SERVICES # handle 7
		counter packets 0 bytes 0 comment "jump aad-metadata" accept # handle 8
	}
}
"#;

    #[test]
    fn only_the_jump_to_the_old_chain_and_the_chain_go() {
        let expected = "delete rule ip nat PREROUTING handle 5\nflush chain ip nat aad-metadata\ndelete chain ip nat aad-metadata\n";
        assert_eq!(removal(HOOK), expected);
    }

    #[test]
    fn a_handle_that_is_no_number_is_left_alone() {
        assert_eq!(
            jump_handle("jump aad-metadata # handle 5; flush ruleset"),
            None
        );
    }
}
