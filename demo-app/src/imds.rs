//! The metadata service, as the SDKs of the old tutorials asked it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use podgate_azure::http::{Bounds, HttpClient};
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

use crate::token::Token;

/// A token is waited for so long: the old agent took up to 80 s for an identity that was on its way.
const TOKEN: Duration = Duration::from_secs(80);
/// The instance document needs nobody to put anything anywhere.
const INSTANCE: Duration = Duration::from_secs(2);
/// The document is some 10 KiB, a token's answer some 3.
const MAX_BODY: usize = 256 * 1024;
/// Between tries, where the answer does not say; twice as long each time, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(16);

/// The service at its address.
pub(crate) struct Imds {
    client: HttpClient,
    base: String,
}

impl Imds {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            client: HttpClient::plain(),
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// Where tokens are, as the log lines name it.
    pub(crate) fn token_endpoint(&self) -> String {
        format!("{}/metadata/identity/oauth2/token", self.base)
    }

    /// Where the document is, as the log lines name it.
    pub(crate) fn instance_endpoint(&self) -> String {
        format!("{}/metadata/instance?api-version=2017-08-01", self.base)
    }

    /// The instance document, or what was said instead of it.
    pub(crate) async fn instance(&self) -> Result<String> {
        let answer = self.get(&self.instance_endpoint(), INSTANCE).await?;
        Ok(text(&answer))
    }

    /// A token, tried for as long as the answer says that it may come.
    ///
    /// # Errors
    /// It was refused, or did not come in time; the message has the status and the words of the last answer.
    pub(crate) async fn token(&self, resource: &str, client_id: Option<&str>) -> Result<Token> {
        let url = self.token_url(resource, client_id);
        let end = Instant::now() + TOKEN;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let answer = self.get(&url, left).await;
            let wait = match &answer {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    return Token::read(answer.body());
                }
                Ok(answer) if !may_come(answer.status()) => None,
                Ok(answer) => Some(retry_after(answer).unwrap_or(pause)),
                Err(_) => Some(pause),
            };
            let Some(wait) = wait.filter(|wait| Instant::now() + *wait < end) else {
                return refused(answer);
            };
            sleep(wait).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    fn token_url(&self, resource: &str, client_id: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", "2018-02-01");
        query.append_pair("resource", resource);
        query.extend_pairs(client_id.map(|id| ("client_id", id)));
        format!("{}?{}", self.token_endpoint(), query.finish())
    }

    async fn get(&self, url: &str, deadline: Duration) -> Result<Response<Bytes>> {
        let request = Request::get(url)
            .header("Metadata", "true")
            .body(Bytes::new())
            .with_context(|| format!("{url} is no address"))?;
        let bounds = Bounds {
            deadline,
            max_body: MAX_BODY,
        };
        Ok(self.client.send(request, bounds).await?)
    }
}

/// As adal had it.
fn may_come(status: StatusCode) -> bool {
    status.is_server_error() || [404, 408, 410, 429].contains(&status.as_u16())
}

fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

fn refused(answer: Result<Response<Bytes>>) -> Result<Token> {
    let answer = answer?;
    ensure!(
        answer.status() == StatusCode::OK,
        "status {}: {}",
        answer.status().as_u16(),
        text(&answer)
    );
    Token::read(answer.body())
}

/// In one line: whoever answered must not write further lines into the log.
fn text(answer: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(answer.body());
    text.replace(char::is_control, " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_named_only_where_there_is_one() {
        let imds = Imds::new("http://169.254.169.254/");
        assert_eq!(
            imds.token_url("https://vault.azure.net", None),
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
        );
        assert!(imds.token_url("r", Some("id")).ends_with("&client_id=id"));
    }

    #[test]
    fn an_answer_cannot_write_lines_into_the_log() {
        let answer = Response::new(Bytes::from_static(b"no\nfake line\x1b[2J\n"));
        assert_eq!(text(&answer), "no fake line [2J");
    }
}
