//! The gateway's configuration: where it listens, and whom it asks.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::daemon::{config::DEFAULT_SOCKET, log::LogFormat};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The collector's socket.
    #[serde(default = "default_collector")]
    pub collector: PathBuf,
    #[serde(default)]
    pub listen: Listen,
    #[serde(default)]
    pub log: LogFormat,
}

/// `unix:PATH`, or an address and a port of loopback: without TLS nobody else is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Unix(PathBuf),
    Loopback(SocketAddr),
}

impl Default for Listen {
    /// The port that OpenTelemetry's exporters for Prometheus have.
    fn default() -> Self {
        Self::Loopback(([127, 0, 0, 1], 9464).into())
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        parse_listen(&text).map_err(|why| D::Error::custom(format!("{why:#}")))
    }
}

/// Reads and checks a file.
///
/// # Errors
/// Names the file, the place in it, and what is wrong there.
pub fn read(path: &Path) -> Result<Config> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("the configuration {}", path.display()))
}

fn parse_listen(text: &str) -> Result<Listen> {
    if let Some(path) = text.strip_prefix("unix:") {
        ensure!(path.starts_with('/'), "listen = {text:?}: the socket's path is not absolute");
        return Ok(Listen::Unix(path.into()));
    }
    let address: SocketAddr = text.parse().with_context(|| {
        format!("listen = {text:?} is none of \"127.0.0.1:9464\", \"[::1]:9464\", \"unix:/PATH\"")
    })?;
    ensure!(
        address.ip().is_loopback(),
        "listen = {text:?} can be reached from other hosts, and there is no TLS: give an address of loopback, or a \
         Unix socket for a proxy"
    );
    Ok(Listen::Loopback(address))
}

fn default_collector() -> PathBuf {
    DEFAULT_SOCKET.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_is_served() {
        let parse = |text: &str| parse_listen(text).map_err(|error| format!("{error:#}"));
        assert_eq!(parse("127.0.0.1:9464"), Ok(Listen::default()));
        assert_eq!(parse("[::1]:80"), Ok(Listen::Loopback("[::1]:80".parse().unwrap())));
        assert_eq!(parse("unix:/run/x.sock"), Ok(Listen::Unix("/run/x.sock".into())));
        for (text, part) in [
            ("0.0.0.0:9464", "other hosts"),
            ("10.0.0.1:9464", "other hosts"),
            ("[::]:9464", "other hosts"),
            ("unix:x.sock", "absolute"),
            ("9464", "none of"),
            ("localhost:9464", "none of"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let error = toml::from_str::<Config>("tls = true").unwrap_err().to_string();
        assert!(error.contains("tls"), "{error}");
    }
}
