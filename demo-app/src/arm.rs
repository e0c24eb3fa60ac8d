//! Azure Resource Manager: the names of virtual machines and scale sets, which the early demonstrations listed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, StatusCode};
use podgate_azure::http::{Bounds, HttpClient};
use serde::Deserialize;

use crate::token::Token;

const VERSION: &str = "2024-07-01";
const BOUNDS: Bounds = Bounds {
    deadline: Duration::from_secs(30),
    max_body: 4 * 1024 * 1024,
};
/// Of a list; a subscription has at most some tens of thousands of virtual machines.
const MAX_PAGES: usize = 100;

/// The service at its address.
pub(crate) struct Arm {
    client: HttpClient,
    base: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<Named>,
    next_link: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Arm {
    /// # Errors
    /// The file of certificate authorities is none.
    pub(crate) fn new(base: &str, ca_file: Option<&Path>) -> Result<Self> {
        let mut roots = Vec::new();
        if let Some(path) = ca_file {
            roots.push(fs::read(path).with_context(|| format!("reading {}", path.display()))?);
        }
        Ok(Self {
            client: HttpClient::https(&roots).context("--ca-file")?,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// The names of a group's `virtualMachines` or `virtualMachineScaleSets`.
    ///
    /// # Errors
    /// ARM refused, or did not answer.
    pub(crate) async fn names(
        &self,
        token: &Token,
        subscription: &str,
        group: &str,
        kind: &str,
    ) -> Result<Vec<String>> {
        let mut url = format!(
            "{}/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/{kind}?api-version={VERSION}",
            self.base
        );
        let mut names = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.page(token, &url).await?;
            names.extend(page.value.into_iter().map(|named| named.name));
            match page.next_link {
                None => break,
                Some(next) => url = next,
            }
        }
        Ok(names)
    }

    /// The token goes to no other host, whatever a link says.
    async fn page(&self, token: &Token, url: &str) -> Result<Page> {
        ensure!(
            url.strip_prefix(&self.base)
                .is_some_and(|path| path.starts_with('/')),
            "the list goes on at another host"
        );
        let mut bearer = HeaderValue::from_str(&token.bearer()).context("the token")?;
        bearer.set_sensitive(true);
        let request = Request::get(url)
            .header(AUTHORIZATION, bearer)
            .body(Bytes::new())?;
        let answer = self.client.send(request, BOUNDS).await?;
        ensure!(
            answer.status() == StatusCode::OK,
            "status {}: {}",
            answer.status().as_u16(),
            String::from_utf8_lossy(answer.body()).replace(char::is_control, " ")
        );
        serde_json::from_slice(answer.body()).context("the answer is no list")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_microsoft_documents_it() {
        let page: Page = serde_json::from_str(
            r#"{"value":[{"name":"vm-1","type":"Microsoft.Compute/virtualMachines","properties":{"vmId":"x"}}],
                "nextLink":"https://management.azure.com/subscriptions/s?$skiptoken=1"}"#,
        )
        .unwrap();
        assert_eq!(page.value[0].name, "vm-1");
        assert!(page.next_link.unwrap().ends_with("skiptoken=1"));
    }
}
