//! Which virtual machine or scale set: its ARM id, as nodes carry it in their provider id.
//!
//! Facts: the `providerID` that cloud-provider-azure writes, `azure:///subscriptions/…`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Longest provider id that is read, in bytes: that of podgate's other ARM ids.
const MAX: usize = podgate_api::ids::MAX_RESOURCE_ID;

/// How much of a text that is no id an error repeats, in characters.
const EXCERPT: usize = 96;

/// What carries the identities of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComputeKind {
    /// A virtual machine: of its own, of an availability set, or of a scale set in flexible orchestration.
    VirtualMachine,
    /// A scale set in uniform orchestration, whose instances share its identities.
    ScaleSet,
}

/// The ARM id of a virtual machine or a scale set, compared without regard to case. Cloning is cheap.
#[derive(Clone)]
pub struct ComputeId {
    kind: ComputeKind,
    /// `/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/TYPE/NAME`, as it was spelt.
    path: Arc<str>,
    /// The same in lower case: what is compared.
    key: Arc<str>,
}

/// Why a text is no id of a virtual machine or a scale set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidComputeId {
    /// Longer than any real one.
    #[error("the provider id is {length} bytes long, at most {MAX} are allowed")]
    TooLong {
        /// What came, in bytes.
        length: usize,
    },
    /// Another cloud's, or none.
    #[error(
        "the provider id {excerpt:?} names neither a virtual machine nor a scale set of Azure; it should be \
         azure:///subscriptions/…/resourceGroups/…/providers/Microsoft.Compute/virtualMachines/… or \
         …/virtualMachineScaleSets/…/virtualMachines/…"
    )]
    Form {
        /// The text, or its beginning.
        excerpt: String,
    },
}

// === impl ComputeKind ===

impl ComputeKind {
    /// The resource type below `Microsoft.Compute`.
    pub fn resource_type(self) -> &'static str {
        match self {
            Self::VirtualMachine => "virtualMachines",
            Self::ScaleSet => "virtualMachineScaleSets",
        }
    }

    fn of(resource_type: &str) -> Option<Self> {
        [Self::VirtualMachine, Self::ScaleSet]
            .into_iter()
            .find(|kind| kind.resource_type().eq_ignore_ascii_case(resource_type))
    }
}

impl fmt::Display for ComputeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VirtualMachine => "virtual machine",
            Self::ScaleSet => "scale set",
        })
    }
}

// === impl ComputeId ===

impl ComputeId {
    /// What it is.
    pub fn kind(&self) -> ComputeKind {
        self.kind
    }

    /// The subscription.
    pub fn subscription(&self) -> &str {
        self.segment(2)
    }

    /// The resource group's name.
    pub fn resource_group(&self) -> &str {
        self.segment(4)
    }

    /// The name of the virtual machine or scale set.
    pub fn name(&self) -> &str {
        self.segment(8)
    }

    /// The ARM id: `/subscriptions/…`.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The ARM id in lower case, for keys of maps and labels.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn segment(&self, position: usize) -> &str {
        self.path.split('/').nth(position).unwrap_or_default()
    }
}

/// A provider id (`azure:///subscriptions/…`), or the ARM id alone. An instance of a scale set is its scale set.
impl FromStr for ComputeId {
    type Err = InvalidComputeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX {
            return Err(InvalidComputeId::TooLong { length: text.len() });
        }
        read(text.trim()).ok_or_else(|| InvalidComputeId::Form {
            excerpt: text.chars().take(EXCERPT).collect(),
        })
    }
}

fn read(text: &str) -> Option<ComputeId> {
    let path = match text.split_once("://") {
        Some((scheme, path)) => scheme.eq_ignore_ascii_case("azure").then_some(path)?,
        None => text,
    };
    let segments: Vec<&str> = path.split('/').collect();
    let (own, instance) = segments.split_at_checked(9)?;
    let kind = ComputeKind::of(own[7])?;
    let fixed = [
        (0, ""),
        (1, "subscriptions"),
        (3, "resourceGroups"),
        (5, "providers"),
        (6, "Microsoft.Compute"),
    ];
    let shaped = fixed
        .iter()
        .all(|&(at, word)| own[at].eq_ignore_ascii_case(word));
    let named = [2, 4, 8].iter().all(|&at| is_name(own[at]));
    (shaped && named && is_instance(kind, instance)).then(|| ComputeId::new(kind, own))
}

impl ComputeId {
    fn new(kind: ComputeKind, own: &[&str]) -> Self {
        let (subscription, group, name) = (own[2], own[4], own[8]);
        let path = format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/{}/{name}",
            kind.resource_type()
        );
        Self {
            kind,
            key: path.to_ascii_lowercase().into(),
            path: path.into(),
        }
    }
}

/// What may follow: nothing, or the number of a scale set's instance.
fn is_instance(kind: ComputeKind, rest: &[&str]) -> bool {
    match rest {
        [] => true,
        [word, number] => {
            kind == ComputeKind::ScaleSet
                && word.eq_ignore_ascii_case("virtualMachines")
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        _ => false,
    }
}

/// What Azure allows in names. `.` and `..` are none, since a URL parser would resolve them.
fn is_name(segment: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    !segment.is_empty() && segment.chars().all(allowed) && !segment.chars().all(|c| c == '.')
}

impl PartialEq for ComputeId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ComputeId {}

impl PartialOrd for ComputeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ComputeId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for ComputeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// `scale set NAME (group GROUP)`: enough for a log line of one cluster.
impl fmt::Display for ComputeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} (group {})",
            self.kind,
            self.name(),
            self.resource_group()
        )
    }
}

impl fmt::Debug for ComputeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ComputeId({:?})", self.path)
    }
}

#[cfg(test)]
mod tests;
