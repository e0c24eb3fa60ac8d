//! Routing rules that close the metadata address to everything the node forwards, whatever its firewall says.
//!
//! ```text
//! 1: from all to 169.254.169.254 iif lo goto 3      the node's own processes, hostNetwork pods included
//! 2: from all to 169.254.169.254 prohibit           everybody else
//! 3: from all nop
//! ```
//! Redirected packets have another destination by the time they are routed. So nothing gets out while the firewall's
//! rules are being restored, even after `nft flush ruleset`.

use std::fmt;
use std::net::IpAddr;

use futures::TryStreamExt;
use rtnetlink::IpVersion;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::RouteProtocol;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use super::{LOOPBACK, Network, NetworkError, code, kernel};

/// Who made a rule, in the kernel's own field for that (`ip rule` shows `proto 112`). It belongs to nobody else:
/// see rt_protos of iproute2.
const OURS: RouteProtocol = RouteProtocol::Other(112);

/// The first after the table of the node's own addresses, which has 0: no network plugin's rule may come before.
const FIRST: u32 = 1;

/// `EOPNOTSUPP` and `EAFNOSUPPORT`: the kernel was built without routing rules, or without IPv6.
const UNSUPPORTED: [i32; 2] = [95, 97];

/// A rule, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    v6: bool,
    priority: u32,
    to: Option<IpAddr>,
    from_node: bool,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Skip(u32),
    Prohibit,
    Nothing,
    /// One that podgate never makes.
    Other,
}

/// The rules for the metadata addresses of one family, in the order in which they are added: the node's own way is
/// never cut.
fn wanted(version: &IpVersion, metadata: &[IpAddr]) -> Vec<Rule> {
    let v6 = *version == IpVersion::V6;
    let end = FIRST + 2;
    let rule = |priority, to, from_node, action| Rule {
        v6,
        priority,
        to,
        from_node,
        action,
    };
    let close = |address: &IpAddr| {
        [
            rule(FIRST, Some(*address), true, Action::Skip(end)),
            rule(FIRST + 1, Some(*address), false, Action::Prohibit),
        ]
    };
    let mut rules: Vec<Rule> = metadata
        .iter()
        .filter(|address| address.is_ipv6() == v6)
        .flat_map(close)
        .collect();
    if !rules.is_empty() {
        rules.insert(0, rule(end, None, false, Action::Nothing));
    }
    rules
}

impl Network {
    /// Closes the metadata addresses to what is forwarded; says whether that changed anything.
    ///
    /// # Errors
    /// The kernel refused. One that has no routing rules at all is no error: the firewall's rules close as well.
    pub(crate) async fn close(&self, metadata: &[IpAddr]) -> Result<bool, NetworkError> {
        let mut changed = false;
        for version in [IpVersion::V4, IpVersion::V6] {
            let wanted = wanted(&version, metadata);
            let (extra, missing) = self.compare(&version, &wanted).await?;
            changed |= !extra.is_empty() || !missing.is_empty();
            for rule in missing {
                self.add(rule).await?;
            }
            // Afterwards, so that nothing opens while one replaces another.
            self.delete(extra).await?;
        }
        Ok(changed)
    }

    /// Removes podgate's routing rules; says whether there were any.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn open(&self) -> Result<bool, NetworkError> {
        self.close(&[]).await
    }

    /// How podgate's routing rules differ from what they should be.
    ///
    /// # Errors
    /// They could not be listed.
    pub(crate) async fn unclosed(&self, metadata: &[IpAddr]) -> Result<Vec<String>, NetworkError> {
        let mut differences = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let wanted = wanted(&version, metadata);
            let (extra, missing) = self.compare(&version, &wanted).await?;
            differences.extend(
                missing
                    .iter()
                    .map(|rule| format!("routing rules: - {rule}")),
            );
            let extra = extra
                .iter()
                .map(|message| format!("routing rules: + {}", read(message)));
            differences.extend(extra);
        }
        Ok(differences)
    }

    /// Our rules that should not be there, and those that should.
    async fn compare(
        &self,
        version: &IpVersion,
        wanted: &[Rule],
    ) -> Result<(Vec<RuleMessage>, Vec<Rule>), NetworkError> {
        let listed: Result<Vec<RuleMessage>, _> = self
            .0
            .rule()
            .get(version.clone())
            .execute()
            .try_collect()
            .await;
        let present = match listed {
            Ok(rules) => rules,
            Err(error) if is_unsupported(&error) => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(kernel("listing routing rules", &error)),
        };
        let mut missing = wanted.to_vec();
        let mut extra = Vec::new();
        for message in present.into_iter().filter(is_ours) {
            let rule = read(&message);
            match missing.iter().position(|wanted| *wanted == rule) {
                Some(place) => drop(missing.remove(place)),
                None => extra.push(message),
            }
        }
        Ok((extra, missing))
    }

    async fn add(&self, rule: Rule) -> Result<(), NetworkError> {
        let mut request = self.0.rule().add();
        *request.message_mut() = written(&rule);
        match request.execute().await {
            Ok(()) => Ok(()),
            Err(error) if is_unsupported(&error) => {
                tracing::warn!(
                    "this kernel has no routing rules (IP_MULTIPLE_TABLES): the firewall alone closes"
                );
                Ok(())
            }
            Err(error) => Err(kernel(&format!("adding the routing rule {rule}"), &error)),
        }
    }

    /// The refusing ones first: what they would skip to goes last.
    async fn delete(&self, mut rules: Vec<RuleMessage>) -> Result<(), NetworkError> {
        let order = |message: &RuleMessage| match message.header.action {
            RuleAction::Prohibit => 0,
            RuleAction::Goto => 1,
            _ => 2,
        };
        rules.sort_by_key(order);
        for rule in rules {
            let deletion = self.0.rule().del(rule).execute().await;
            deletion.map_err(|error| kernel("removing a routing rule", &error))?;
        }
        Ok(())
    }
}

/// As `ip rule` shows it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        if let Some(address) = self.to {
            write!(f, " to {address}")?;
        }
        if self.from_node {
            write!(f, " iif {LOOPBACK}")?;
        }
        match self.action {
            Action::Skip(target) => write!(f, " goto {target}"),
            Action::Prohibit => f.write_str(" prohibit"),
            Action::Nothing => f.write_str(" nop"),
            Action::Other => f.write_str(" of some other kind"),
        }
    }
}

fn is_unsupported(error: &rtnetlink::Error) -> bool {
    code(error).is_some_and(|code| UNSUPPORTED.contains(&code))
}

fn is_ours(message: &RuleMessage) -> bool {
    message
        .attributes
        .iter()
        .any(|attribute| matches!(attribute, RuleAttribute::Protocol(OURS)))
}

/// A rule with anything more to it than podgate writes is none of podgate's: it reads as `Other`.
fn read(message: &RuleMessage) -> Rule {
    let mut rule = Rule {
        v6: message.header.family == AddressFamily::Inet6,
        // The kernel leaves a priority of 0 out.
        priority: 0,
        to: None,
        from_node: false,
        action: match message.header.action {
            RuleAction::Prohibit => Action::Prohibit,
            RuleAction::Nop => Action::Nothing,
            _ => Action::Other,
        },
    };
    let mut foreign = message.header.src_len != 0 || message.header.tos != 0;
    let whole = [32, 128].contains(&message.header.dst_len);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Destination(address) if whole => rule.to = Some(*address),
            RuleAttribute::Iifname(name) if name == LOOPBACK => rule.from_node = true,
            RuleAttribute::Goto(target) => rule.action = Action::Skip(*target),
            other => foreign |= narrows(other),
        }
    }
    if foreign {
        rule.action = Action::Other;
    }
    rule
}

fn narrows(attribute: &RuleAttribute) -> bool {
    matches!(
        attribute,
        RuleAttribute::Source(_)
            | RuleAttribute::Destination(_)
            | RuleAttribute::Iifname(_)
            | RuleAttribute::Oifname(_)
            | RuleAttribute::FwMark(_)
            | RuleAttribute::UidRange(_)
            | RuleAttribute::IpProtocol(_)
            | RuleAttribute::SourcePortRange(_)
            | RuleAttribute::DestinationPortRange(_)
            | RuleAttribute::TunId(_)
    )
}

fn written(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = match rule.v6 {
        true => AddressFamily::Inet6,
        false => AddressFamily::Inet,
    };
    message.attributes.push(RuleAttribute::Protocol(OURS));
    message
        .attributes
        .push(RuleAttribute::Priority(rule.priority));
    if let Some(address) = rule.to {
        message.header.dst_len = if address.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RuleAttribute::Destination(address));
    }
    if rule.from_node {
        message
            .attributes
            .push(RuleAttribute::Iifname(LOOPBACK.to_owned()));
    }
    message.header.action = match rule.action {
        Action::Skip(target) => {
            message.attributes.push(RuleAttribute::Goto(target));
            RuleAction::Goto
        }
        Action::Prohibit => RuleAction::Prohibit,
        Action::Nothing | Action::Other => RuleAction::Nop,
    };
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_wanted(address: &str) -> Vec<Rule> {
        let address: IpAddr = address.parse().unwrap();
        let version = match address {
            IpAddr::V4(_) => IpVersion::V4,
            IpAddr::V6(_) => IpVersion::V6,
        };
        wanted(&version, &[address])
    }

    #[test]
    fn a_rule_survives_being_written_and_read() {
        for address in ["169.254.169.254", "fd00:ec2::254"] {
            for rule in mk_wanted(address) {
                let message = written(&rule);
                assert_eq!(read(&message), rule);
                assert!(is_ours(&message));
            }
        }
    }

    #[test]
    fn rules_read_as_the_administrators_tool_shows_them() {
        let rules = mk_wanted("169.254.169.254");
        let shown: Vec<String> = rules.iter().map(ToString::to_string).collect();
        let expected = [
            "3: nop",
            "1: to 169.254.169.254 iif lo goto 3",
            "2: to 169.254.169.254 prohibit",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_family_without_metadata_address_has_no_rules() {
        let address = "169.254.169.254".parse().unwrap();
        assert!(wanted(&IpVersion::V6, &[address]).is_empty());
    }

    #[test]
    fn a_rule_with_more_conditions_is_not_taken_for_ours() {
        let rule = &mk_wanted("169.254.169.254")[2];
        let mut message = written(rule);
        message.attributes.push(RuleAttribute::FwMark(1));
        assert_ne!(read(&message), *rule);
    }

    #[test]
    fn the_node_is_let_through_before_others_are_stopped() {
        let rules = mk_wanted("169.254.169.254");
        let place = |wanted: fn(&Rule) -> bool| rules.iter().position(wanted).unwrap();
        assert!(place(|rule| rule.from_node) < place(|rule| rule.action == Action::Prohibit));
    }
}
