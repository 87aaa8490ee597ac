//! Deluge's RPC: one request at a time on one kept connection over TLS. A message is a byte for the version, four
//! for the length, and a value in rencode, compressed by zlib.
//!
//! Requests are compressed in form only, and by a crate that has little to set up: a compressor's tables were most of
//! the CPU of a question.
//!
//! The daemon's certificate is one that it made itself, and is not looked at: server and client are on the
//! loopback of one namespace.

use std::io::{Cursor, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fdeflate::{BoundedDecompressionError, StoredOnlyCompressor};
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

use super::{rencode, tls};

const PROTOCOL_VERSION: u8 = 1;
/// Of an answer, compressed or not. Those to the driver's questions have some hundred bytes.
const ANSWER_LIMIT_BYTES: usize = 4 << 20;
/// An answer takes a millisecond or two, but the client does not answer while it waits for a slow disk.
const LIMIT: Duration = Duration::from_secs(60);

const RESPONSE: u64 = 1;
const ERROR: u64 = 2;
const EVENT: u64 = 3;

pub struct Rpc {
    stream: StreamOwned<ClientConnection, TcpStream>,
    request_id: u64,
}

impl Rpc {
    /// Connects to the daemon on loopback.
    pub fn connect(port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let socket =
            TcpStream::connect_timeout(&address, LIMIT).with_context(|| format!("connect to {address}"))?;
        socket.set_read_timeout(Some(LIMIT)).context("limit the time of reads")?;
        socket.set_write_timeout(Some(LIMIT)).context("limit the time of writes")?;
        // Requests are small, and one waits for the answer.
        socket.set_nodelay(true).context("switch Nagle's algorithm off")?;
        let tls = ClientConnection::new(Arc::clone(tls::config()?), address.ip().into())
            .context("begin a TLS connection")?;
        Ok(Self { stream: StreamOwned::new(tls, socket), request_id: 0 })
    }

    /// Calls a method and returns its result. `arguments` is a list, `named` an object.
    pub fn call(&mut self, method: &str, arguments: Value, named: Value) -> Result<Value> {
        self.request_id += 1;
        let message = message(&json!([[self.request_id, method, arguments, named]]))?;
        self.stream.write_all(&message).with_context(|| format!("ask {method}"))?;
        loop {
            let answer = self.read().with_context(|| format!("read the answer to {method}"))?;
            match answer[0].as_u64() {
                Some(EVENT) => (),
                _ => return result(answer, self.request_id, method),
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [version, length @ ..] = head;
        ensure!(version == PROTOCOL_VERSION, "the answer has version {version} of the protocol");
        let length = u32::from_be_bytes(length) as usize;
        ensure!(length <= ANSWER_LIMIT_BYTES, "the answer has {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        unpack(&body)
    }
}

/// What an answer says to the request of that number.
fn result(mut answer: Value, request_id: u64, method: &str) -> Result<Value> {
    ensure!(answer[1] == request_id, "Deluge's answer to {method} is one to another request: {answer}");
    match answer[0].as_u64() {
        Some(RESPONSE) => {
            let result = answer.get_mut(2).map(Value::take);
            result.with_context(|| format!("Deluge's answer to {method} has no result"))
        }
        // Its arguments are the message; a traceback comes last.
        Some(ERROR) => bail!("Deluge refused {method}: {} {}", answer[2], answer[3]),
        _ => bail!("Deluge's answer to {method} is of no known kind: {answer}"),
    }
}

pub(super) fn message(value: &Value) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    rencode::encode(value, &mut plain);
    let mut head = Cursor::new(Vec::new());
    head.write_all(&[PROTOCOL_VERSION, 0, 0, 0, 0])?;
    let mut stored = StoredOnlyCompressor::new(head)?;
    stored.write_data(&plain)?;
    let mut message = stored.finish()?.into_inner();
    let length = u32::try_from(message.len() - 5).context("a request has more than 4 GiB")?;
    message[1..5].copy_from_slice(&length.to_be_bytes());
    Ok(message)
}

pub(super) fn unpack(body: &[u8]) -> Result<Value> {
    match fdeflate::decompress_to_vec_bounded(body, ANSWER_LIMIT_BYTES) {
        Ok(plain) => rencode::decode(&plain),
        Err(BoundedDecompressionError::DecompressionError { inner }) => bail!("uncompress it: {inner:?}"),
        Err(BoundedDecompressionError::OutputTooLarge { .. }) => {
            bail!("it has more than {ANSWER_LIMIT_BYTES} bytes")
        }
    }
}
