//! Where a request goes, and in which version of the API.

use std::fmt;

use http::header::HOST;
use http::{Method, StatusCode};
use url::form_urlencoded;

use super::buckets::Verb;
use super::errors::Refusal;
use crate::sim::World;
use crate::sim::serve::Visit;

/// The versions of Microsoft.Compute with identities as a dictionary.
const VERSIONS: [&str; 26] = [
    "2018-06-01",
    "2018-10-01",
    "2019-03-01",
    "2019-07-01",
    "2019-12-01",
    "2020-06-01",
    "2020-12-01",
    "2021-03-01",
    "2021-04-01",
    "2021-07-01",
    "2021-11-01",
    "2022-03-01",
    "2022-08-01",
    "2022-11-01",
    "2023-03-01",
    "2023-07-01",
    "2023-09-01",
    "2024-03-01",
    "2024-07-01",
    "2024-11-01",
    "2025-04-01",
    "2025-11-01",
    "2026-01-01",
    "2026-03-01",
    "2026-04-01",
    "2026-07-01",
];

/// The first one with etags.
const ETAGS: &str = "2023-09-01";

/// A virtual machine or scale set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ComputeRef {
    pub(super) subscription: String,
    pub(super) group: String,
    pub(super) scale_set: bool,
    pub(super) name: String,
    /// As it was asked for.
    pub(super) path: String,
}

/// The virtual machines or scale sets of a resource group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListRef {
    pub(super) subscription: String,
    pub(super) group: String,
    pub(super) scale_sets: bool,
    /// As it was asked for.
    pub(super) path: String,
}

/// What is asked for.
pub(super) enum Route {
    Compute(ComputeRef),
    List(ListRef),
    Operation { subscription: String, name: String },
}

/// A request of the right form.
pub(super) struct Request {
    pub(super) route: Route,
    pub(super) version: String,
    /// Of a list: how many came on the pages before this one.
    pub(super) skip: usize,
    method: Method,
}

impl ComputeRef {
    /// Reads an ARM id.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').collect();
        let ["", s, subscription, g, group, p, provider, kind, name] = segments[..] else {
            return None;
        };
        let fixed = [
            (s, "subscriptions"),
            (g, "resourceGroups"),
            (p, "providers"),
            (provider, "Microsoft.Compute"),
        ];
        let shaped = fixed
            .iter()
            .all(|(is, should)| is.eq_ignore_ascii_case(should));
        let scale_set = kind.eq_ignore_ascii_case("virtualMachineScaleSets");
        let known = scale_set || kind.eq_ignore_ascii_case("virtualMachines");
        let named = [subscription, group, name]
            .iter()
            .all(|part| !part.is_empty());
        (shaped && known && named).then(|| Self {
            subscription: subscription.to_owned(),
            group: group.to_owned(),
            scale_set,
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    /// What ids are compared by.
    pub(super) fn key(&self) -> String {
        self.path.to_lowercase()
    }

    pub(super) fn resource_type(&self) -> &'static str {
        match self.scale_set {
            true => "virtualMachineScaleSets",
            false => "virtualMachines",
        }
    }
}

impl fmt::Display for ComputeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Microsoft.Compute/{}/{}",
            self.resource_type(),
            self.name
        )
    }
}

impl ListRef {
    /// A list's path is that of what it lists, without a name.
    fn parse(path: &str) -> Option<Self> {
        let any = ComputeRef::parse(&format!("{path}/any"))?;
        Some(Self {
            subscription: any.subscription,
            group: any.group,
            scale_sets: any.scale_set,
            path: path.to_owned(),
        })
    }
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        if let Some(compute) = ComputeRef::parse(path) {
            return Some(Self::Compute(compute));
        }
        if let Some(list) = ListRef::parse(path) {
            return Some(Self::List(list));
        }
        let segments: Vec<&str> = path.split('/').collect();
        match segments[..] {
            [
                "",
                "subscriptions",
                subscription,
                "providers",
                "Microsoft.Compute",
                "locations",
                _,
                "operations",
                name,
            ] => Some(Self::Operation {
                subscription: subscription.to_owned(),
                name: name.to_owned(),
            }),
            _ => None,
        }
    }
}

impl Request {
    pub(super) fn parse(visit: &Visit) -> Result<Self, Refusal> {
        // Names with letters of other scripts come percent-encoded.
        let path = decoded(visit.path())?;
        let route = Route::of(&path).ok_or_else(|| {
            Refusal::not_found(
                "InvalidResourceType",
                format!("azure-sim: there is nothing at '{path}'."),
            )
        })?;
        let method = visit.head.method.clone();
        let known = match route {
            Route::Compute(_) => super::verb(&method).is_some(),
            Route::List(_) | Route::Operation { .. } => method == Method::GET,
        };
        if !known {
            let message =
                format!("The requested resource does not support http method '{method}'.");
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                message,
            ));
        }
        let query = Query::parse(visit, &route)?;
        Ok(Self {
            route,
            version: query.version,
            skip: query.skip,
            method,
        })
    }

    pub(super) fn verb(&self) -> Verb {
        match self.route {
            Route::Operation { .. } => Verb::Poll,
            Route::Compute(_) => super::verb(&self.method).unwrap_or(Verb::Get),
            Route::List(_) => Verb::Get,
        }
    }

    /// What faults name: the path of a virtual machine or scale set, or of a list of them.
    pub(super) fn resource(&self) -> Option<&str> {
        match &self.route {
            Route::Compute(compute) => Some(&compute.path),
            Route::List(list) => Some(&list.path),
            Route::Operation { .. } => None,
        }
    }

    pub(super) fn subscription(&self) -> &str {
        match &self.route {
            Route::Compute(compute) => &compute.subscription,
            Route::List(list) => &list.subscription,
            Route::Operation { subscription, .. } => subscription,
        }
    }

    /// Whether this version of the API knows etags.
    pub(super) fn has_etags(&self) -> bool {
        self.version.as_str() >= ETAGS
    }
}

fn decoded(path: &str) -> Result<String, Refusal> {
    let strict =
        || Refusal::strict("azure-sim: the path is not whole percent-encoded UTF-8 of names");
    let text = form_urlencoded::parse(path.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned());
    let text = text.ok_or_else(strict)?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '(' | ')');
    match text.chars().all(plain) && !text.contains("..") && !path.contains(['&', '=']) {
        true => Ok(text),
        false => Err(strict()),
    }
}

/// What follows the path.
struct Query {
    version: String,
    skip: usize,
}

impl Query {
    /// A version, exactly one, of the list. A poll URL carries more, which is the operation's own, and a list's next
    /// page its place.
    fn parse(visit: &Visit, route: &Route) -> Result<Self, Refusal> {
        let (mut versions, mut places, mut others) = (Vec::new(), Vec::new(), 0);
        for (name, value) in form_urlencoded::parse(visit.query().unwrap_or_default().as_bytes()) {
            match (name.as_ref(), route) {
                ("api-version", _) => versions.push(value),
                ("$skiptoken", Route::List(_)) => places.push(value),
                _ => others += 1,
            }
        }
        let version = known_version(versions.first().map(|version| &**version))?;
        let more = versions.len() > 1 || places.len() > 1 || others > 0;
        if more && !matches!(route, Route::Operation { .. }) {
            return Err(Refusal::strict(
                "azure-sim: the only query parameter is api-version, once; of a list's next page also $skiptoken",
            ));
        }
        let skip = places.first().map_or(Ok(0), |place| place.parse());
        let skip = skip.map_err(|_| Refusal::strict("azure-sim: no page has this $skiptoken"))?;
        Ok(Self { version, skip })
    }
}

fn known_version(version: Option<&str>) -> Result<String, Refusal> {
    let Some(version) = version else {
        let message =
            "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            message,
        ));
    };
    match VERSIONS.contains(&version) {
        true => Ok(version.to_owned()),
        false => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{version}' is invalid. The supported versions are '{}'.",
                VERSIONS.join(",")
            ),
        )),
    }
}

/// `Host` is one of ours.
pub(super) fn own_host(world: &World, visit: &Visit) -> Result<(), Refusal> {
    let values = visit.header_values(&HOST);
    let named = values
        .first()
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let known =
        named == visit.local.to_string() || world.arm_hosts.iter().any(|host| host == named);
    match values.len() == 1 && known && visit.head.uri.authority().is_none() {
        true => Ok(()),
        false => Err(Refusal::strict(format!(
            "azure-sim: Host is one of {:?}",
            world.arm_hosts
        ))),
    }
}
