//! Transmission's JSON RPC over HTTP, one request at a time on one kept connection.
//!
//! Not with the crate `transmission-rpc`: it brings an asynchronous HTTP client with TLS along, and its typed
//! answers ask for more fields than a poll every few milliseconds should.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

/// Against request forgery: each request repeats an id that the server gave out with a refusal.
const SESSION_HEADER: &str = "X-Transmission-Session-Id";
/// An answer takes about a millisecond, but the client does not answer while it waits for a slow disk.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Rpc {
    agent: Agent,
    url: String,
    session_id: String,
}

impl Rpc {
    /// An RPC client for a server on loopback. Does not connect yet.
    pub fn new(port: u16) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The user's environment may name one; it cannot reach into the namespace.
            .proxy(None)
            // Not a limit for all of it: ureq then starts a thread for each request, to resolve the name.
            .timeout_connect(Some(LIMIT))
            .timeout_recv_response(Some(LIMIT))
            .timeout_recv_body(Some(LIMIT));
        Self {
            agent: config.build().new_agent(),
            url: format!("http://{}:{port}/transmission/rpc", Ipv4Addr::LOCALHOST),
            session_id: String::new(),
        }
    }

    /// Calls a method and returns the `arguments` of its answer.
    pub fn call(&mut self, method: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "method": method, "arguments": arguments }).to_string();
        let mut response = self.send(&request)?;
        if response.status() == StatusCode::CONFLICT {
            let id = response
                .headers()
                .get(SESSION_HEADER)
                .context("Transmission refused without a session id")?;
            self.session_id = id.to_str().context("read the session id")?.to_owned();
            response = self.send(&request)?;
        }
        ensure!(
            response.status().is_success(),
            "Transmission answered {method} with HTTP {}",
            response.status()
        );
        let answer =
            response.body_mut().read_to_string().with_context(|| format!("read the answer to {method}"))?;
        let mut answer: Value =
            serde_json::from_str(&answer).with_context(|| format!("parse the answer to {method}"))?;
        match answer["result"].as_str() {
            Some("success") => Ok(answer["arguments"].take()),
            result => bail!("Transmission refused {method}: {}", result.unwrap_or("no result in its answer")),
        }
    }

    fn send(&self, request: &str) -> Result<Response<Body>> {
        let post = self.agent.post(&self.url).header(SESSION_HEADER, &self.session_id);
        post.send(request).with_context(|| format!("ask {}", self.url))
    }
}
