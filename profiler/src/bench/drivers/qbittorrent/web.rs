//! qBittorrent's Web API, version 2: one request at a time on one kept connection.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::Body;
use ureq::http::Response;

/// It does not answer while it waits for a slow disk.
const LIMIT: Duration = Duration::from_secs(60);
const BOUNDARY: &str = "----------------xferprof";

pub struct Web {
    agent: Agent,
    base: String,
}

impl Web {
    /// Does not connect yet.
    pub fn new(port: u16) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(LIMIT));
        let base = format!("http://{}:{port}/api/v2", Ipv4Addr::LOCALHOST);
        Self { agent: config.build().new_agent(), base }
    }

    pub fn text(&self, path: &str) -> Result<String> {
        let url = format!("{}/{path}", self.base);
        accepted(self.agent.get(&url).call().with_context(|| format!("ask {url}"))?, &url)
    }

    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let text = self.text(path)?;
        serde_json::from_str(&text).with_context(|| format!("parse the answer of {}/{path}", self.base))
    }

    /// Hands a torrent file over, with fields of a form.
    pub fn add(&self, path: &str, fields: &[(&str, &str)], torrent: &[u8]) -> Result<String> {
        let url = format!("{}/{path}", self.base);
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = self.agent.post(&url).header("Content-Type", content_type);
        accepted(request.send(&form(fields, torrent)[..]).with_context(|| format!("ask {url}"))?, &url)
    }
}

/// A form (RFC 7578) with a torrent file.
fn form(fields: &[(&str, &str)], torrent: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        form.extend(part.into_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"torrents\"; filename=\"payload.torrent\"\r\n\
         Content-Type: application/x-bittorrent\r\n\r\n"
    );
    form.extend(head.into_bytes());
    form.extend(torrent);
    form.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    form
}

fn accepted(mut answer: Response<Body>, url: &str) -> Result<String> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string().with_context(|| format!("read the answer of {url}"))?;
    ensure!(status.is_success(), "{url} answered {status}: {}", text.trim());
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torrent_is_a_part_of_a_form() {
        let form = form(&[("savepath", "/data")], b"d4:infoe");
        let form = String::from_utf8(form).expect("text");
        let expected = [
            "--B\r\nContent-Disposition: form-data; name=\"savepath\"\r\n\r\n/data\r\n",
            "--B\r\nContent-Disposition: form-data; name=\"torrents\"; filename=\"payload.torrent\"\r\n",
            "Content-Type: application/x-bittorrent\r\n\r\nd4:infoe\r\n--B--\r\n",
        ];
        assert_eq!(form.replace(BOUNDARY, "B"), expected.concat());
    }
}
