//! Where a token is asked for, and in which of the three dialects.

use crate::settings::{Algorithm, EndpointVersion, Settings};

/// A token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL that is posted to, and the assertion's audience, byte for byte.
    pub url: String,
    dialect: Dialect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V1,
    V2,
    AdFs,
}

impl Endpoint {
    /// The endpoint of a tenant. `authority` ends in a slash. AD FS, which knows neither tenants nor v2, is
    /// known by an authority that ends in `/adfs/`, or, as Azure Stack writes it, by a tenant named `adfs`.
    #[must_use]
    pub fn new(authority: &str, tenant: &str, version: EndpointVersion) -> Self {
        if ends_in_adfs(authority) {
            return Self {
                url: format!("{authority}oauth2/token"),
                dialect: Dialect::AdFs,
            };
        }
        if tenant.eq_ignore_ascii_case("adfs") {
            return Self {
                url: format!("{authority}{tenant}/oauth2/token"),
                dialect: Dialect::AdFs,
            };
        }
        match version {
            EndpointVersion::V1 => Self {
                url: format!("{authority}{tenant}/oauth2/token?api-version=1.0"),
                dialect: Dialect::V1,
            },
            EndpointVersion::V2 => Self {
                url: format!("{authority}{tenant}/oauth2/v2.0/token"),
                dialect: Dialect::V2,
            },
        }
    }

    /// How an assertion for this endpoint is signed: the operator's choice, or else what it understands.
    /// AD FS and what stands behind v1 were built before RSASSA-PSS.
    #[must_use]
    pub fn algorithm(&self, settings: &Settings) -> Algorithm {
        settings.algorithm.unwrap_or(match self.dialect {
            Dialect::V2 => Algorithm::Ps256,
            Dialect::V1 | Dialect::AdFs => Algorithm::Rs256,
        })
    }

    /// The form field that names the audience. For v2, `/.default` is added even where the resource ends in
    /// a slash: the slash belongs to the audience, and without its double the token would be for another.
    #[must_use]
    pub fn audience(&self, resource: &str) -> (&'static str, String) {
        match self.dialect {
            Dialect::V2 => ("scope", format!("{resource}/.default")),
            Dialect::V1 | Dialect::AdFs => ("resource", resource.to_owned()),
        }
    }
}

/// Whether the path does; a host may be called `adfs` too.
fn ends_in_adfs(authority: &str) -> bool {
    let host_and_path = authority.strip_prefix("https://").unwrap_or(authority);
    let path = host_and_path
        .find('/')
        .map_or("", |slash| &host_and_path[slash..]);
    path.to_ascii_lowercase().ends_with("/adfs/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "https://login.microsoftonline.com/";
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

    fn of(
        authority: &str,
        tenant: &str,
        version: EndpointVersion,
    ) -> (String, &'static str, Algorithm) {
        let endpoint = Endpoint::new(authority, tenant, version);
        let audience = endpoint.audience("https://vault.azure.net").0;
        let algorithm = endpoint.algorithm(&Settings::default());
        (endpoint.url, audience, algorithm)
    }

    #[test]
    fn v2_asks_for_a_scope_with_ps256() {
        let url = format!("{PUBLIC}{TENANT}/oauth2/v2.0/token");
        assert_eq!(
            of(PUBLIC, TENANT, EndpointVersion::V2),
            (url, "scope", Algorithm::Ps256)
        );
    }

    #[test]
    fn v1_asks_for_a_resource_with_rs256() {
        let url = format!("{PUBLIC}{TENANT}/oauth2/token?api-version=1.0");
        assert_eq!(
            of(PUBLIC, TENANT, EndpointVersion::V1),
            (url, "resource", Algorithm::Rs256)
        );
    }

    #[test]
    fn ad_fs_has_one_endpoint_without_tenant_or_version() {
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            let asked = of("https://adfs.contoso.com/adfs/", TENANT, version);
            assert_eq!(
                asked,
                (
                    "https://adfs.contoso.com/adfs/oauth2/token".into(),
                    "resource",
                    Algorithm::Rs256
                )
            );
        }
    }

    #[test]
    fn a_tenant_named_adfs_is_ad_fs() {
        let asked = of(
            "https://adfs.local.azurestack.external/",
            "adfs",
            EndpointVersion::V2,
        );
        let url = "https://adfs.local.azurestack.external/adfs/oauth2/token";
        assert_eq!(asked, (url.into(), "resource", Algorithm::Rs256));
    }

    #[test]
    fn sovereign_clouds_differ_by_their_authority_alone() {
        for authority in [
            "https://login.microsoftonline.us/",
            "https://login.partner.microsoftonline.cn/",
        ] {
            assert_eq!(
                of(authority, TENANT, EndpointVersion::V2).0,
                format!("{authority}{TENANT}/oauth2/v2.0/token")
            );
        }
    }

    #[test]
    fn a_host_that_only_looks_like_ad_fs_is_not() {
        assert!(
            of("https://adfs/", TENANT, EndpointVersion::V2)
                .0
                .ends_with("/v2.0/token")
        );
        assert!(
            of(
                "https://login.example/notadfs/",
                TENANT,
                EndpointVersion::V2
            )
            .0
            .ends_with("/v2.0/token")
        );
    }

    #[test]
    fn the_scope_keeps_a_trailing_slash_of_the_resource() {
        let endpoint = Endpoint::new(PUBLIC, TENANT, EndpointVersion::V2);
        let scope = |resource| endpoint.audience(resource).1;
        assert_eq!(
            scope("https://management.azure.com/"),
            "https://management.azure.com//.default"
        );
        assert_eq!(
            scope("https://vault.azure.net"),
            "https://vault.azure.net/.default"
        );
    }

    #[test]
    fn the_operators_algorithm_wins_over_the_endpoints() {
        let settings = Settings {
            algorithm: Some(Algorithm::Rs256),
            ..Settings::default()
        };
        assert_eq!(
            Endpoint::new(PUBLIC, TENANT, EndpointVersion::V2).algorithm(&settings),
            Algorithm::Rs256
        );
        let settings = Settings {
            algorithm: Some(Algorithm::Ps256),
            ..Settings::default()
        };
        assert_eq!(
            Endpoint::new(PUBLIC, TENANT, EndpointVersion::V1).algorithm(&settings),
            Algorithm::Ps256
        );
    }
}
