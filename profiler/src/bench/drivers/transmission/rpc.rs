//! Transmission's JSON RPC over HTTP, one request at a time on one kept connection.
//!
//! Not with the crate `transmission-rpc`: it brings an asynchronous HTTP client with TLS along, and its typed
//! answers ask for more fields than a poll every few milliseconds should.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::http::{Answer, Connection};

const PATH: &str = "/transmission/rpc";
/// Against request forgery: each request repeats an id that the server gave out with a refusal.
const SESSION_HEADER: &str = "X-Transmission-Session-Id";
/// HTTP's status of that refusal.
const CONFLICT: u16 = 409;
/// An answer takes about a millisecond, but the client does not answer while it waits for a slow disk.
const LIMIT: Duration = Duration::from_secs(60);

pub struct Rpc {
    connection: Connection,
    address: SocketAddr,
    session_id: String,
}

#[derive(Serialize)]
struct Request<'a, A> {
    method: &'a str,
    arguments: A,
}

#[derive(Deserialize)]
struct Reply<'a> {
    result: Option<String>,
    /// Of a refusal there are none, or not those that were asked for.
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl Rpc {
    /// An RPC client for a server on loopback. Does not connect yet.
    pub fn new(port: u16) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self::with_limit(address, LIMIT)
    }

    pub(super) fn with_limit(address: SocketAddr, limit: Duration) -> Self {
        Self { connection: Connection::new(address, limit), address, session_id: String::new() }
    }

    /// Calls a method and returns the `arguments` of its answer.
    pub fn call<T: DeserializeOwned>(&mut self, method: &str, arguments: impl Serialize) -> Result<T> {
        let request = serde_json::to_vec(&Request { method, arguments }).context("write a request")?;
        let address = self.address;
        let asked = || format!("ask http://{address}{PATH}");
        let mut answer = send(&mut self.connection, &self.session_id, &request).with_context(asked)?;
        if answer.status == CONFLICT {
            let id = answer.header(SESSION_HEADER).context("Transmission refused without a session id")?;
            self.session_id = id.to_owned();
            answer = send(&mut self.connection, &self.session_id, &request).with_context(asked)?;
        }
        let is_success = (200..300).contains(&answer.status);
        ensure!(is_success, "Transmission answered {method} with HTTP {}", answer.status);
        let parsed = || format!("parse the answer to {method}");
        let reply: Reply = serde_json::from_slice(&answer.body).with_context(parsed)?;
        match reply.result.as_deref() {
            Some("success") => {
                serde_json::from_str(reply.arguments.map_or("null", RawValue::get)).with_context(parsed)
            }
            result => bail!("Transmission refused {method}: {}", result.unwrap_or("no result in its answer")),
        }
    }
}

fn send<'a>(connection: &'a mut Connection, session_id: &str, request: &[u8]) -> Result<Answer<'a>> {
    connection.post(PATH, (SESSION_HEADER, session_id), request)
}
