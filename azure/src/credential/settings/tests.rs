use std::collections::HashMap;

use super::*;

const GUID: &str = "c1000000-0000-4000-8000-000000000001";

/// As AKS writes it, shortened.
const AKS: &str = r#"{
    "cloud": "AzurePublicCloud", "tenantId": "7a1e0000-0000-4000-8000-00000000feed",
    "subscriptionId": "5ab50000-0000-4000-8000-000000000001",
    "aadClientId": "msi", "aadClientSecret": "msi", "resourceGroup": "MC_g", "location": "westeurope",
    "vmType": "vmss", "subnetName": "aks-subnet", "useManagedIdentityExtension": true,
    "userAssignedIdentityID": "c1000000-0000-4000-8000-000000000001", "cloudProviderRateLimitQPS": 10,
    "loadBalancerSku": "Standard", "excludeMasterFromStandardLB": true, "providerVaultName": null
}"#;

fn file(text: &str) -> CloudSettings {
    CloudSettings::from_file(text).unwrap()
}

fn env(variables: &[(&str, &str)]) -> CloudSettings {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    CloudSettings::from_env(|name| variables.get(name).map(|value| (*value).to_owned()))
}

fn credential(settings: &CloudSettings) -> Result<CredentialKind, SettingsError> {
    settings.credential(&settings.endpoints(None).unwrap())
}

#[test]
fn the_azure_json_of_an_aks_node_means_its_managed_identity() {
    let settings = file(AKS);
    let CredentialKind::ManagedIdentity(Selector::ClientId(id)) = credential(&settings).unwrap()
    else {
        panic!()
    };
    assert_eq!(id.as_str(), GUID);
    assert_eq!(settings.own_identity(), Some(GUID));
    assert_eq!(
        settings.subscription(),
        Some("5ab50000-0000-4000-8000-000000000001")
    );
    assert_eq!(
        (settings.resource_group(), settings.vm_type()),
        (Some("MC_g"), Some("vmss"))
    );
}

#[test]
fn an_empty_user_assigned_identity_means_the_node_s_own() {
    for text in [
        r#"{"cloud": "AzureCloud", "useManagedIdentityExtension": true}"#,
        r#"{"cloud": "AzureCloud", "useManagedIdentityExtension": "True", "userAssignedIdentityID": ""}"#,
        r#"{"cloud": "AzureCloud", "aadClientId": "msi"}"#,
    ] {
        let kind = credential(&file(text)).unwrap();
        assert!(
            matches!(kind, CredentialKind::ManagedIdentity(Selector::Unspecified)),
            "{text}"
        );
    }
}

#[test]
fn a_user_assigned_identity_may_be_given_by_its_resource_id() {
    let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a";
    let settings = file(&format!(
        "cloud: AzureCloud\nuseManagedIdentityExtension: true\nuserAssignedIdentityID: {id}\n"
    ));
    assert!(matches!(
        credential(&settings).unwrap(),
        CredentialKind::ManagedIdentity(Selector::ResourceId(_))
    ));
}

#[test]
fn a_client_secret_comes_from_the_file_or_the_environment() {
    let from_file = file(&format!(
        "cloud: AzureChinaCloud\ntenantId: contoso.cn\naadClientId: {GUID}\naadClientSecret: 's~ecret'\n"
    ));
    let from_env = env(&[
        ("CLOUD", "azureCHINAcloud"),
        ("TENANT_ID", "contoso.cn"),
        ("CLIENT_ID", GUID),
        ("CLIENT_SECRET", "s~ecret"),
        ("SUBSCRIPTION_ID", "s"),
        ("RESOURCE_GROUP", "g"),
        ("VM_TYPE", "vmss"),
        ("USE_MSI", "False"),
    ]);
    for settings in [&from_file, &from_env] {
        let endpoints = settings.endpoints(None).unwrap();
        assert_eq!(
            endpoints.arm.as_str(),
            "https://management.chinacloudapi.cn/"
        );
        assert_eq!(
            endpoints.authority.as_str(),
            "https://login.chinacloudapi.cn/"
        );
        let CredentialKind::Secret {
            tenant,
            client_id,
            secret,
        } = settings.credential(&endpoints).unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (tenant.as_str(), client_id.as_str(), secret.expose()),
            ("contoso.cn", GUID, "s~ecret")
        );
        assert!(!format!("{settings:?}").contains("s~ecret"));
    }
    assert_eq!(from_env.vm_type(), Some("vmss"));
}

#[test]
fn the_environment_may_mean_a_managed_identity() {
    let settings = env(&[
        ("CLOUD", "AzurePublicCloud"),
        ("USE_MSI", "TRUE"),
        ("USER_ASSIGNED_MSI_CLIENT_ID", GUID),
    ]);
    assert!(matches!(
        credential(&settings).unwrap(),
        CredentialKind::ManagedIdentity(Selector::ClientId(_))
    ));
}

#[test]
fn workload_identity_is_what_its_webhook_puts_into_the_pod() {
    let webhook = [
        ("CLOUD", "AzurePublicCloud"),
        ("AZURE_CLIENT_ID", GUID),
        ("AZURE_TENANT_ID", "7a1e0000-0000-4000-8000-00000000feed"),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            "/var/run/secrets/azure/tokens/azure-identity-token",
        ),
    ];
    let CredentialKind::WorkloadIdentity { token_file, .. } = credential(&env(&webhook)).unwrap()
    else {
        panic!()
    };
    assert_eq!(
        token_file.to_str(),
        Some("/var/run/secrets/azure/tokens/azure-identity-token")
    );
    let both = [&webhook[..], &[("CLIENT_SECRET", "x")]].concat();
    assert!(
        matches!(
            credential(&env(&both)).unwrap(),
            CredentialKind::Secret { .. }
        ),
        "what is said outright wins"
    );
    let settings = file(&format!(
        r#"{{"cloud":"AzureCloud","tenantId":"t","aadClientId":"{GUID}","useFederatedWorkloadIdentityExtension":true,"aadFederatedTokenFile":"/f"}}"#
    ));
    assert!(matches!(
        credential(&settings).unwrap(),
        CredentialKind::WorkloadIdentity { .. }
    ));
}

#[test]
fn a_certificate_is_read_from_where_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.pfx");
    std::fs::write(&path, podgate_testkit::fixtures::pfx_aes()).unwrap();
    let settings = |password: &str| {
        let path = path.display();
        file(&format!(
            "cloud: AzureCloud\ntenantId: t\naadClientId: {GUID}\naadClientCertPath: {path}\naadClientCertPassword: {password}\n"
        ))
    };
    let right = credential(&settings(podgate_testkit::fixtures::PASSWORD)).unwrap();
    assert!(matches!(right, CredentialKind::Certificate { .. }));
    let wrong = credential(&settings("not-the-passw0rd"))
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("aadClientCertPath") && !wrong.contains("not-the-passw0rd"),
        "{wrong}"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(
        credential(&settings("x")),
        Err(SettingsError::File { .. })
    ));
}

#[test]
fn an_azure_stack_is_described_by_its_file() {
    let settings = file(&format!(
        "cloud: AzureStackCloud\ntenantId: contoso.com\naadClientId: {GUID}\naadClientSecret: x\n"
    ));
    let described = |login: &str| {
        format!(
            r#"{{"name":"AzureStackCloud","managementPortalURL":"https://portal.local.azurestack.external/",
                "activeDirectoryEndpoint":"{login}","resourceManagerEndpoint":"https://management.local.azurestack.external/",
                "serviceManagementEndpoint":"https://management.contoso.onmicrosoft.com/0b5c","tokenAudience":"https://management.contoso.onmicrosoft.com/0b5c"}}"#
        )
    };
    let entra = settings
        .endpoints(Some(&described("https://login.microsoftonline.com/")))
        .unwrap();
    assert_eq!(
        entra.arm.as_str(),
        "https://management.local.azurestack.external/"
    );
    assert_eq!(
        entra.arm.audience().as_str(),
        "https://management.contoso.onmicrosoft.com/0b5c"
    );
    assert!(!entra.adfs);
    let adfs = settings
        .endpoints(Some(&described(
            "https://adfs.local.azurestack.external/ADFS/",
        )))
        .unwrap();
    assert_eq!(
        adfs.authority.as_str(),
        "https://adfs.local.azurestack.external/"
    );
    let CredentialKind::Secret { tenant, .. } = settings.credential(&adfs).unwrap() else {
        panic!()
    };
    assert_eq!(tenant.as_str(), "adfs");
    for wrong in [
        "",
        "{}",
        "[1]",
        &described("http://login.example/"),
        &described("").replace("https://management.local", "http://m"),
    ] {
        assert!(settings.endpoints(Some(wrong)).is_err(), "{wrong}");
    }
    let missing = settings.endpoints(None).unwrap_err().to_string();
    assert!(missing.contains("AZURE_ENVIRONMENT_FILEPATH"), "{missing}");
}

#[test]
fn what_is_missing_or_wrong_is_named_with_its_variable() {
    for (text, named) in [
        ("{}", "CLOUD"),
        ("cloud: AzureMoonCloud", "AzureMoonCloud"),
        ("cloud: AzureCloud", "CLIENT_ID"),
        ("cloud: AzureCloud\naadClientId: x\ntenantId: t", "GUID"),
        (
            &format!("cloud: AzureCloud\naadClientId: {GUID}"),
            "TENANT_ID",
        ),
        (
            &format!("cloud: AzureCloud\naadClientId: {GUID}\ntenantId: t"),
            "CLIENT_SECRET",
        ),
        (
            &format!(
                "cloud: AzureCloud\naadClientId: {GUID}\ntenantId: t\nuseFederatedWorkloadIdentityExtension: true"
            ),
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            "cloud: AzureCloud\nuseManagedIdentityExtension: true\nuserAssignedIdentityID: x",
            "USER_ASSIGNED_MSI_CLIENT_ID",
        ),
    ] {
        let settings = file(text);
        let why = settings
            .endpoints(None)
            .and_then(|endpoints| settings.credential(&endpoints))
            .unwrap_err()
            .to_string();
        assert!(why.contains(named), "{text}: {why}");
    }
}

#[test]
fn a_file_that_is_none_is_refused_without_being_repeated() {
    for text in [
        "[1, 2]",
        "aadClientSecret: [s3cret",
        "\"s3cret",
        "aadClientSecret: {s3cret: 1}",
    ] {
        let why = CloudSettings::from_file(text).unwrap_err().to_string();
        assert!(!why.contains("s3cret"), "{why}");
    }
    assert!(matches!(
        CloudSettings::from_file(&" ".repeat(300_000)),
        Err(SettingsError::TooLong(_))
    ));
}

#[test]
fn every_cloud_has_its_own_arm() {
    for (cloud, host) in [
        ("AzurePublicCloud", "management.azure.com"),
        ("AzureUSGovernment", "management.usgovcloudapi.net"),
        ("AzureChinaCloud", "management.chinacloudapi.cn"),
        ("AzureGermanCloud", "management.microsoftazure.de"),
    ] {
        let endpoints = env(&[("CLOUD", cloud)]).endpoints(None).unwrap();
        assert_eq!(endpoints.arm.as_str(), format!("https://{host}/"));
        assert_eq!(
            endpoints.arm.audience().as_str(),
            format!("https://{host}/")
        );
    }
}
