//! HTTP/1.1 on one kept connection to a server on loopback: one request at a time, and the whole of its answer.
//!
//! Not with ureq: a node is asked up to fifty times a second, and almost half of what a question cost was ureq's. What
//! a server on loopback does not need is left out: names, TLS, proxies, redirects, compression. httparse parses.

use std::borrow::Cow;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use httparse::{EMPTY_HEADER, Status};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

const HEADERS_LIMIT: usize = 64;
/// Of an answer, head included.
const ANSWER_LIMIT_BYTES: usize = 4 << 20;
/// Of one read: more than the answer to a question has.
const READ_BYTES: usize = 2 << 10;

pub struct Connection {
    address: SocketAddr,
    limit: Duration,
    stream: Option<TcpStream>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

pub struct Answer<'a> {
    pub status: u16,
    pub body: Cow<'a, [u8]>,
    head: &'a [u8],
}

impl Connection {
    /// Does not connect yet. `limit` is for each of connecting, sending, and the answer, which may take twice as long if
    /// it comes in pieces.
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        Self { address, limit, stream: None, request: Vec::new(), answer: Vec::new() }
    }

    /// Sends a request with one header more than it needs, and waits for the answer. After an error the next request
    /// has a new connection: on the old one the answer to this may still come.
    pub fn post(&mut self, path: &str, (name, value): (&str, &str), body: &[u8]) -> Result<Answer<'_>> {
        let stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => connect(self.address, self.limit)?,
        };
        let (host, length) = (self.address, body.len());
        self.request.clear();
        write!(self.request, "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n")?;
        write!(self.request, "{name}: {value}\r\n\r\n")?;
        self.request.extend(body);
        // All at once: the server wakes once.
        (&stream).write_all(&self.request).context("send the request")?;

        self.answer.clear();
        let mut reader = Reader { stream: &stream, limit: self.limit, since: Instant::now() };
        let mut head = read_head(&mut reader, &mut self.answer)?;
        let chunks = read_body(&mut reader, &mut self.answer, &mut head)?;
        if head.is_kept {
            self.stream = Some(stream);
        }
        let (head_bytes, body) = self.answer.split_at(head.length);
        let body = chunks.map_or(Cow::Borrowed(body), Cow::Owned);
        Ok(Answer { status: head.status, body, head: head_bytes })
    }
}

impl Answer<'_> {
    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = [EMPTY_HEADER; HEADERS_LIMIT];
        httparse::Response::new(&mut headers).parse(self.head).ok()?;
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        str::from_utf8(header.value).ok()
    }
}

fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&address, limit).with_context(|| format!("connect to {address}"))?;
    stream.set_read_timeout(Some(limit)).context("limit the time of reads")?;
    stream.set_write_timeout(Some(limit)).context("limit the time of writes")?;
    stream.set_nodelay(true).context("switch Nagle's algorithm off")?;
    Ok(stream)
}

/// Whether the server has neither closed the connection nor said what it was not asked for.
fn is_open(stream: &TcpStream) -> bool {
    recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_err_and(|error| error == Errno::AGAIN)
}

struct Reader<'a> {
    stream: &'a TcpStream,
    limit: Duration,
    since: Instant,
}

impl Reader<'_> {
    /// Appends what is there, or comes next. Whether it was anything: the server may have closed the connection.
    fn read(&mut self, to: &mut Vec<u8>) -> Result<bool> {
        let length = to.len();
        ensure!(length < ANSWER_LIMIT_BYTES, "the answer has more than {ANSWER_LIMIT_BYTES} bytes");
        to.resize(length + READ_BYTES, 0);
        let late = || anyhow!("it did not answer within {:?}", self.limit);
        loop {
            ensure!(self.since.elapsed() < self.limit, late());
            match self.stream.read(&mut to[length..]) {
                Ok(read) => {
                    to.truncate(length + read);
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(late()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The same, where the answer is not complete yet.
    fn read_more(&mut self, to: &mut Vec<u8>) -> Result<()> {
        ensure!(self.read(to)?, "it closed the connection after {} bytes of its answer", to.len());
        Ok(())
    }
}

/// What an answer's head says.
struct Head {
    length: usize,
    status: u16,
    body: Body,
    is_kept: bool,
}

enum Body {
    Sized(usize),
    Chunked,
    /// It ends with the connection.
    Rest,
}

fn read_head(reader: &mut Reader, answer: &mut Vec<u8>) -> Result<Head> {
    loop {
        reader.read_more(answer)?;
        if let Some(head) = parse_head(answer)? {
            return Ok(head);
        }
    }
}

fn parse_head(answer: &[u8]) -> Result<Option<Head>> {
    let mut headers = [EMPTY_HEADER; HEADERS_LIMIT];
    let mut response = httparse::Response::new(&mut headers);
    let Status::Complete(length) = response.parse(answer).context("parse the head of the answer")? else {
        return Ok(None);
    };
    let status = response.code.context("the answer has no status")?;
    let mut head = Head { length, status, body: Body::Rest, is_kept: response.version == Some(1) };
    for header in response.headers {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(value.eq_ignore_ascii_case(b"chunked"), "the answer is encoded, and not just chunked");
            head.body = Body::Chunked;
        } else if header.name.eq_ignore_ascii_case("content-length") && !matches!(head.body, Body::Chunked) {
            let length = str::from_utf8(value).ok().and_then(|length| length.parse().ok());
            head.body = Body::Sized(length.context("the answer's length is no number")?);
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.is_kept &= !value.eq_ignore_ascii_case(b"close");
        }
    }
    head.is_kept &= !matches!(head.body, Body::Rest);
    Ok(Some(head))
}

/// Reads on until the body is there: behind the head, or, if it comes in chunks, as what is returned.
fn read_body(reader: &mut Reader, answer: &mut Vec<u8>, head: &mut Head) -> Result<Option<Vec<u8>>> {
    match head.body {
        Body::Sized(length) => {
            while answer.len() - head.length < length {
                reader.read_more(answer)?;
            }
            // What follows was not asked for.
            head.is_kept &= answer.len() - head.length == length;
            answer.truncate(head.length + length);
            Ok(None)
        }
        Body::Chunked => loop {
            if let Some((body, rest)) = join(&answer[head.length..])? {
                head.is_kept &= rest == 0;
                return Ok(Some(body));
            }
            reader.read_more(answer)?;
        },
        Body::Rest => {
            while reader.read(answer)? {}
            Ok(None)
        }
    }
}

/// The content of all chunks, if they are there, and how many bytes follow them.
fn join(mut chunks: &[u8]) -> Result<Option<(Vec<u8>, usize)>> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(chunks).ok().context("a chunk's size is no number")?;
        let Status::Complete((start, size)) = size else { return Ok(None) };
        chunks = &chunks[start..];
        if size == 0 {
            // Headers may follow, and an empty line does.
            let mut headers = [EMPTY_HEADER; HEADERS_LIMIT];
            let end =
                httparse::parse_headers(chunks, &mut headers).context("parse what follows the chunks")?;
            let Status::Complete((length, _)) = end else { return Ok(None) };
            return Ok(Some((body, chunks.len() - length)));
        }
        let size = usize::try_from(size)?.min(ANSWER_LIMIT_BYTES);
        let Some((chunk, rest)) = chunks.split_at_checked(size + 2) else { return Ok(None) };
        let chunk = chunk.strip_suffix(b"\r\n").context("a chunk does not end where it should")?;
        body.extend(chunk);
        chunks = rest;
    }
}
