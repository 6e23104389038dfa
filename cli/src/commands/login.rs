//! `login`: stores the API key of a manager in the user's own configuration.

use crate::arguments::Login;
use crate::failure::{Exit, Failure};
use crate::session::{Session, parse_url};
use otaru_lsp_build::credentials::Credentials;
use otaru_lsp_build::manager::ManagerClient;
use serde_json::json;
use std::io::{IsTerminal as _, Read as _};

/// Longest key that is read, in bytes.
const KEY_LEN_MAX: u64 = 4096;

/// `otaru login`
pub(crate) async fn run(session: Session<'_>, arguments: &Login) -> Result<(), Failure> {
    let (url, token) = if let Some(text) = &arguments.url {
        match split_admin_link(text) {
            Some((url, token)) => (parse_url(url)?, Some(token.to_owned())),
            None => (parse_url(text)?, None),
        }
    } else {
        let project = session.project().ok();
        (session.manager_url(project.as_ref())?, None)
    };
    let api_key = match token {
        Some(token) => {
            ManagerClient::new(url.clone(), None)?
                .setup(&token)
                .await?
                .api_key
        }
        None => read_key(session, url.as_str())?,
    };
    let workspace = ManagerClient::new(url.clone(), Some(&api_key))?
        .workspace()
        .await?;
    Credentials::of_user()?.set(&url, &api_key)?;
    session.output.result(
        "login",
        &format!("logged in to {url}, workspace {}", workspace.name),
        json!({ "manager": url.as_str(), "workspace": workspace.name, "id": workspace.id }),
    );
    Ok(())
}

/// The manager's address and the token of a one-time admin link.
fn split_admin_link(text: &str) -> Option<(&str, &str)> {
    let (address, query) = text.split_once('?')?;
    let token = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))?;
    let base = address.strip_suffix("/setup").unwrap_or(address);
    Some((base, token))
}

/// The key from standard input: typed, pasted or piped.
fn read_key(session: Session<'_>, url: &str) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    let mut text = String::new();
    let read = if stdin.is_terminal() {
        session.output.note(&format!(
            "API key for {url} (made under Settings in its web app):"
        ));
        stdin.read_line(&mut text)
    } else {
        stdin.lock().take(KEY_LEN_MAX).read_to_string(&mut text)
    };
    read.map_err(|error| Failure::io("the API key cannot be read", &error))?;
    let key = text.trim();
    if key.is_empty() {
        return Err(
            Failure::new(Exit::Usage, "api-key-missing", "no API key was given")
                .hint("make one under Settings in the manager's web app, and paste it here"),
        );
    }
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_link_is_address_and_token() {
        for (text, expected) in [
            (
                "http://127.0.0.1:8480/setup?token=abc",
                Some(("http://127.0.0.1:8480", "abc")),
            ),
            (
                "https://x/fota/setup?a=1&token=t-1",
                Some(("https://x/fota", "t-1")),
            ),
            ("http://127.0.0.1:8480", None),
            ("http://127.0.0.1:8480/setup?tokens=1", None),
        ] {
            assert_eq!(split_admin_link(text), expected, "{text}");
        }
    }
}
