//! The REST API of a node: one request at a time, each with a time-out of its own.
//!
//! A call that needs the network may get no answer at all, or one after half a minute, and a stream may stall: nodes tell
//! of neither.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, SendBody};

use super::abilities::BASES;

/// How much of a refusal is shown.
const SHOWN_CHARS: usize = 200;

/// How long a node may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For what it knows by itself. It does not answer while it hashes or waits for its disk.
    pub answer: Duration,
    /// From the last byte of an upload to its answer: it builds a tree of all blocks meanwhile.
    pub stored: Duration,
    /// For the head of a stream, which comes when the manifest has come through the network.
    pub found: Duration,
    /// Between two pieces of a stream or an upload.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            stored: Duration::from_secs(300),
            found: Duration::from_secs(120),
            stall: Duration::from_secs(120),
        }
    }
}

/// Where a stream has its file from.
#[derive(Clone, Copy, Debug)]
pub enum From {
    Network,
    /// In fact also through the network, if a block is missing there.
    Store,
}

pub struct Rest {
    agent: Agent,
    address: SocketAddr,
    limits: Limits,
    /// The base that the node answered to.
    base: Option<&'static str>,
}

impl Rest {
    /// Does not connect yet.
    pub fn new(address: SocketAddr, limits: Limits) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The user's environment may name one; it cannot reach into the namespace.
            .proxy(None)
            .timeout_connect(Some(limits.answer))
            .timeout_per_read(Some(limits.stall))
            .timeout_per_write(Some(limits.stall));
        Self { agent: config.build().new_agent(), address, limits, base: None }
    }

    /// The base of the API that the node has, and what it tells of itself.
    pub fn debug_info(&mut self) -> Result<(&'static str, Value)> {
        for base in self.base.map_or(BASES.to_vec(), |base| vec![base]) {
            let url = format!("http://{}{base}/debug/info", self.address);
            let answer = self.get(&url, self.limits.answer)?;
            if answer.status() == StatusCode::NOT_FOUND {
                continue;
            }
            let info = parsed(answer, &url)?;
            self.base = Some(base);
            return Ok((base, info));
        }
        bail!("{} has none of the APIs {}", self.address, BASES.join(", "))
    }

    /// What is at `path`: a plain text, or JSON with the text in `field`. Nodes choose, and do not agree.
    pub fn text_or_field(&mut self, path: &str, field: &str) -> Result<String> {
        let url = self.url(path)?;
        let answer = text(self.get(&url, self.limits.answer)?, &url)?;
        let parsed: Option<Value> = serde_json::from_str(&answer).ok();
        match parsed {
            Some(Value::Object(object)) => Ok(object
                .get(field)
                .and_then(Value::as_str)
                .with_context(|| format!("the answer of {url} has no text `{field}`"))?
                .to_owned()),
            Some(_) | None => Ok(answer),
        }
    }

    /// The JSON at `path`.
    pub fn json(&mut self, path: &str) -> Result<Value> {
        let url = self.url(path)?;
        parsed(self.get(&url, self.limits.answer)?, &url)
    }

    /// The JSON at `path`, in versions that have something there.
    pub fn find(&mut self, path: &str) -> Result<Option<Value>> {
        let url = self.url(path)?;
        let answer = self.get(&url, self.limits.answer)?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
            _ => parsed(answer, &url).map(Some),
        }
    }

    /// The JSON that answers a request without a body, which may have to go through the network first.
    pub fn post(&mut self, path: &str) -> Result<Value> {
        let url = self.url(path)?;
        let request = self.agent.post(&url).config().timeout_recv_response(Some(self.limits.found)).build();
        parsed(request.send_empty().map_err(|error| explain(error, &url))?, &url)
    }

    /// Uploads what `content` gives, `size_bytes` in all, and returns the CID of its manifest.
    pub fn upload(&mut self, content: &mut dyn Read, size_bytes: u64) -> Result<String> {
        let url = self.url("data")?;
        let request = self
            .agent
            .post(&url)
            .config()
            .timeout_recv_response(Some(self.limits.stored))
            .build()
            .content_type("application/octet-stream")
            .header("Content-Length", size_bytes);
        let answer = request.send(SendBody::from_reader(content)).map_err(|error| explain(error, &url))?;
        let cid = text(answer, &url)?;
        ensure!(cid.starts_with('z'), "the answer of {url} is no CID: {cid:?}");
        Ok(cid)
    }

    /// The file of a CID in order: through the network, or from the node's store.
    pub fn stream(&mut self, cid: &str, from: From) -> Result<impl Read + use<>> {
        let url = self.url(&match from {
            From::Network => format!("data/{cid}/network/stream"),
            From::Store => format!("data/{cid}"),
        })?;
        let answer = accepted(self.get(&url, self.limits.found)?, &url)?;
        Ok(Named { reader: answer.into_body().into_reader(), url })
    }

    fn url(&mut self, path: &str) -> Result<String> {
        let base = match self.base {
            Some(base) => base,
            None => self.debug_info()?.0,
        };
        Ok(format!("http://{}{base}/{path}", self.address))
    }

    fn get(&self, url: &str, limit: Duration) -> Result<Response<Body>> {
        let request = self.agent.get(url).config().timeout_recv_response(Some(limit)).build();
        request.call().map_err(|error| explain(error, url))
    }
}

/// The whole text of an answer, without the white space around it.
fn text(answer: Response<Body>, url: &str) -> Result<String> {
    let text = accepted(answer, url)?.body_mut().read_to_string();
    Ok(text.with_context(|| format!("read the answer of {url}"))?.trim().to_owned())
}

fn parsed(answer: Response<Body>, url: &str) -> Result<Value> {
    let text = text(answer, url)?;
    serde_json::from_str(&text).with_context(|| format!("parse the answer of {url}"))
}

/// An answer, or an error with the words of the refusal, whatever their type.
fn accepted(mut answer: Response<Body>, url: &str) -> Result<Response<Body>> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let words = answer.body_mut().read_to_string().unwrap_or_default();
    match words.trim() {
        "" => bail!("{url} answered {status}"),
        words => bail!("{url} answered {status}: {}", words.chars().take(SHOWN_CHARS).collect::<String>()),
    }
}

fn explain(error: ureq::Error, url: &str) -> anyhow::Error {
    match error {
        ureq::Error::Timeout(limit) => anyhow!("{url} did not answer in time ({limit})"),
        error => anyhow!(error).context(format!("ask {url}")),
    }
}

/// A reader whose errors name their URL.
struct Named<R> {
    reader: R,
    url: String,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader
            .read(buffer)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.url)))
    }
}
