use proptest::prelude::*;

use super::*;

fn authority(text: &str) -> Authority {
    text.parse().unwrap()
}

#[test]
fn every_cloud_has_a_login_url_that_is_permitted() {
    for (name, cloud) in NAMES {
        let authority = cloud.authority();
        assert!(AuthorityHosts::default().permits(&authority), "{authority}");
        assert_eq!(name.to_uppercase().parse::<Cloud>().unwrap(), cloud);
        assert_eq!(cloud.to_string().parse::<Cloud>().unwrap(), cloud);
    }
    assert_eq!(
        Cloud::default().authority().as_str(),
        "https://login.microsoftonline.com/"
    );
}

#[test]
fn an_unknown_cloud_is_refused_with_the_known_names() {
    let error = "AzureStackCloud".parse::<Cloud>().unwrap_err().to_string();
    assert!(
        error.starts_with("no cloud is called \"AzureStackCloud\"; use AzurePublicCloud"),
        "{error}"
    );
    assert!("".parse::<Cloud>().is_err());
}

#[test]
fn a_login_url_gets_its_trailing_slash_and_one_spelling() {
    for text in [
        "https://login.microsoftonline.com",
        " HTTPS://LOGIN.microsoftonline.com:443/ ",
    ] {
        assert_eq!(authority(text), Cloud::Public.authority());
    }
    let adfs = authority("https://adfs.contoso.com:8443/adfs");
    assert_eq!(adfs.as_str(), "https://adfs.contoso.com:8443/adfs/");
    assert_eq!((adfs.host(), adfs.port()), ("adfs.contoso.com", 8443));
    assert_eq!(authority("https://a.b/").port(), 443);
    assert_eq!(authority("https://[::1]:8443").host(), "[::1]");
}

#[test]
fn a_login_url_is_https_and_nothing_but_host_and_path() {
    use InvalidAuthority as I;
    let error = |text: &str| text.parse::<Authority>().unwrap_err();
    assert!(matches!(
        error("login.microsoftonline.com"),
        I::NoUrl { .. }
    ));
    assert!(matches!(error(""), I::NoUrl { .. }));
    assert!(matches!(
        error(&format!("https://{}/", "a".repeat(600))),
        I::NoUrl { .. }
    ));
    assert!(matches!(
        error("http://login.microsoftonline.com/"),
        I::Scheme { .. }
    ));
    assert!(matches!(error("file:///etc/passwd"), I::Scheme { .. }));
    for parts in [
        "https://u@a.b/",
        "https://u:p@a.b/",
        "https://a.b/?",
        "https://a.b/?x=1",
        "https://a.b/#x",
        "https://@a.b/",
    ] {
        assert_eq!(error(parts), I::Parts, "{parts}");
    }
    for path in [
        "https://a.b//x",
        "https://a.b/%2e%2e/x",
        "https://a.b/a b",
        "https://a.b\\x",
        "https://a.b/x;y",
        "https://a.b/\nx",
    ] {
        assert_eq!(error(path), I::Path, "{path}");
    }
}

#[test]
fn a_login_url_with_a_user_is_refused_without_repeating_it() {
    let error = "https://user:hunter2@a.b/"
        .parse::<Authority>()
        .unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn microsofts_hosts_are_permitted_at_the_port_of_https_only() {
    let hosts = AuthorityHosts::default();
    let permitted = [
        "https://login.microsoftonline.com/",
        "https://login.partner.microsoftonline.cn/",
        "https://westeurope.login.microsoft.com/",
        "https://login.sovcloud-identity.fr/",
        "https://LOGIN.WINDOWS.NET/some/path/",
    ];
    for text in permitted {
        assert!(hosts.permits(&authority(text)), "{text}");
    }
    let refused = [
        "https://login.microsoftonline.com:8443/",
        "https://login.microsoftonline.com.evil.example/",
        "https://evil.example/login.microsoftonline.com/",
        "https://a.b.login.microsoft.com/",
        "https://a-b.login.microsoft.com/",
        "https://xlogin.microsoft.com/",
        "https://login.microsoftonline.com./",
        "https://169.254.169.254/",
        "https://localhost/",
    ];
    for text in refused {
        assert!(!hosts.permits(&authority(text)), "{text}");
    }
}

#[test]
fn the_operator_permits_a_host_with_every_port_or_with_one() {
    let hosts = AuthorityHosts::with([
        "https://ADFS.contoso.com/ ",
        "localhost:8443",
        "",
        "[::1]:9",
    ]);
    for text in [
        "https://adfs.contoso.com/adfs",
        "https://adfs.contoso.com:1/",
        "https://localhost:8443",
        "https://[::1]:9",
    ] {
        assert!(hosts.permits(&authority(text)), "{text}");
    }
    for text in [
        "https://localhost/",
        "https://sub.adfs.contoso.com/",
        "https://[::1]/",
    ] {
        assert!(!hosts.permits(&authority(text)), "{text}");
    }
    assert!(hosts.permits(&Cloud::China.authority()));
    let default_port = AuthorityHosts::with(["adfs.contoso.com:443"]);
    assert!(default_port.permits(&authority("https://adfs.contoso.com/")));
}

proptest! {
    #[test]
    fn what_parses_as_a_login_url_parses_to_itself(text in "(https://)?[a-z0-9./:@?#%\\\\ -]{0,40}") {
        if let Ok(authority) = text.parse::<Authority>() {
            prop_assert!(authority.as_str().starts_with("https://"));
            prop_assert!(authority.as_str().ends_with('/'));
            prop_assert!(!authority.host().is_empty());
            prop_assert_eq!(authority.as_str().parse::<Authority>().unwrap(), authority);
        }
    }
}
