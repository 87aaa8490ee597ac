//! Texts of a description with placeholders, each of which stands for a value of some kind: `{peer_port}`, a port.
//!
//! Whether a placeholder may stand where it does is found when the file is read, and not when a run has begun.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A kind of value. A key of a description takes some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Path,
    Name,
    Address,
    Port,
    Bytes,
    /// What a node told: another may be given it.
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Home,
    Data,
    File,
    Address,
    Seeder,
    PeerPort,
    ControlPort,
    FileSize,
    Contact,
    Reference,
}

const ALL: [(&str, Placeholder, Kind); 10] = [
    ("home", Placeholder::Home, Kind::Path),
    ("data", Placeholder::Data, Kind::Path),
    ("file", Placeholder::File, Kind::Name),
    ("address", Placeholder::Address, Kind::Address),
    ("seeder", Placeholder::Seeder, Kind::Address),
    ("peer_port", Placeholder::PeerPort, Kind::Port),
    ("control_port", Placeholder::ControlPort, Kind::Port),
    ("file_size", Placeholder::FileSize, Kind::Bytes),
    ("contact", Placeholder::Contact, Kind::Told),
    ("reference", Placeholder::Reference, Kind::Told),
];

/// Where a text stands, which says what it may hold.
pub mod place {
    /// In a command or a file: everything but what is not known yet.
    pub const NODE: u8 = 0;
    /// In what is done once the node knows of the others.
    pub const JOINED: u8 = 1;
    /// In what is done for the download: everything.
    pub const DOWNLOAD: u8 = 2;
    /// In a URL, which has no path of this host.
    pub const URL: u8 = 3;
    /// In a URL that is asked for the download.
    pub const DOWNLOAD_URL: u8 = 4;
    /// In a path.
    pub const PATH: u8 = 5;
    /// A port and nothing else.
    pub const PORT: u8 = 6;
}

/// A text with placeholders that may stand at `PLACE`.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Template<const PLACE: u8>(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

/// What placeholders stand for, on one node.
#[derive(Clone, Debug)]
pub struct Values {
    pub home: String,
    pub data: String,
    pub file: String,
    pub address: Ipv4Addr,
    pub seeder: Ipv4Addr,
    pub peer_port: u16,
    pub control_port: Option<u16>,
    pub file_size_bytes: u64,
    pub contact: Option<String>,
    pub reference: Option<String>,
}

impl<const PLACE: u8> Template<PLACE> {
    /// The text with its values. An error if one is not known: `{contact}` of the first node.
    pub fn fill(&self, values: &Values) -> Result<String> {
        self.0.iter().map(|part| part.fill(values)).collect()
    }

    /// What it is, if it has no placeholder.
    pub fn plain(&self) -> Option<&str> {
        match &self.0[..] {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl Part {
    fn fill(&self, values: &Values) -> Result<String> {
        Ok(match self {
            Self::Text(text) => text.clone(),
            Self::Placeholder(placeholder) => match placeholder {
                Placeholder::Home => values.home.clone(),
                Placeholder::Data => values.data.clone(),
                Placeholder::File => values.file.clone(),
                Placeholder::Address => values.address.to_string(),
                Placeholder::Seeder => values.seeder.to_string(),
                Placeholder::PeerPort => values.peer_port.to_string(),
                Placeholder::ControlPort => {
                    values.control_port.context("`{control_port}` needs `control_ports`")?.to_string()
                }
                Placeholder::FileSize => values.file_size_bytes.to_string(),
                Placeholder::Contact => {
                    values.contact.clone().context("`{contact}` of the first node is not known to itself")?
                }
                Placeholder::Reference => {
                    values.reference.clone().context("`{reference}` is not known yet")?
                }
            },
        })
    }
}

impl<const PLACE: u8> TryFrom<String> for Template<PLACE> {
    type Error = String;

    /// `{word}` is a placeholder; `{{word}}` is `{word}` itself, and every other brace stands for itself.
    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(start) = rest.find('{') {
            plain += &rest[..start];
            rest = &rest[start..];
            if let Some((word, after)) = word_in_braces(rest.strip_prefix('{').unwrap_or_default())
                && let Some(after) = after.strip_prefix('}')
            {
                plain += &format!("{{{word}}}");
                rest = after;
            } else if let Some((word, after)) = word_in_braces(rest) {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Placeholder(placeholder(word, PLACE)?));
                rest = after;
            } else {
                plain.push('{');
                rest = &rest[1..];
            }
        }
        plain += rest;
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        match (PLACE, &parts[..]) {
            (place::PORT, [Part::Placeholder(_)]) => {}
            (place::PORT, [Part::Text(port)]) if port.parse::<u16>().is_ok_and(|port| port > 0) => {}
            (place::PORT, _) => return Err(format!("`{text}` is no port: a number, or {}", allowed(PLACE))),
            (place::PATH, [Part::Placeholder(Placeholder::Home | Placeholder::Data), ..]) => {}
            (place::PATH, _) => return Err(format!("`{text}` does not begin with {{home}} or {{data}}")),
            (place::URL | place::DOWNLOAD_URL, _) if !text.starts_with("http://") => {
                return Err(format!("`{text}` does not begin with http://"));
            }
            _ => {}
        }
        Ok(Self(parts))
    }
}

/// `{word}…` as the word and what follows.
fn word_in_braces(text: &str) -> Option<(&str, &str)> {
    let (word, after) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then_some((word, after))
}

fn placeholder(word: &str, place: u8) -> Result<Placeholder, String> {
    let found = ALL.into_iter().find(|(name, ..)| *name == word);
    let Some((_, placeholder, kind)) = found else {
        return Err(format!(
            "`{{{word}}}` is no placeholder; here may stand {} (`{{{{{word}}}}}` is the text itself)",
            allowed(place)
        ));
    };
    match may_stand(placeholder, kind, place) {
        true => Ok(placeholder),
        false => Err(format!("`{{{word}}}` may not stand here, only {}", allowed(place))),
    }
}

fn may_stand(placeholder: Placeholder, kind: Kind, place: u8) -> bool {
    let is_known = match placeholder {
        Placeholder::Reference => matches!(place, place::DOWNLOAD | place::DOWNLOAD_URL),
        Placeholder::Contact => place != place::PATH,
        _ => true,
    };
    is_known
        && match place {
            place::URL | place::DOWNLOAD_URL => kind != Kind::Path,
            place::PATH => matches!(kind, Kind::Path | Kind::Name),
            place::PORT => kind == Kind::Port,
            _ => true,
        }
}

fn allowed(place: u8) -> String {
    let allowed = ALL.into_iter().filter(|(_, placeholder, kind)| may_stand(*placeholder, *kind, place));
    allowed.map(|(name, ..)| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn values() -> Values {
        Values {
            home: "/run/leecher-1".to_owned(),
            data: "/run/leecher-1/data".to_owned(),
            file: "payload.bin".to_owned(),
            address: Ipv4Addr::new(10, 0, 0, 2),
            seeder: Ipv4Addr::new(10, 0, 0, 1),
            peer_port: 8000,
            control_port: None,
            file_size_bytes: 1000,
            contact: None,
            reference: Some("/ref".to_owned()),
        }
    }

    #[track_caller]
    fn check<const PLACE: u8>(text: &str, expected: &str) {
        let filled = Template::<PLACE>::try_from(text.to_owned())
            .and_then(|template| template.fill(&values()).map_err(|error| error.to_string()));
        match filled {
            Ok(filled) => assert_eq!(filled, expected, "{text}"),
            Err(error) => assert!(error.contains(expected), "{text}: {expected:?} is missing in: {error}"),
        }
    }

    #[test]
    fn placeholders_become_values_and_other_braces_stay() {
        check::<{ place::NODE }>("{address}:{peer_port}", "10.0.0.2:8000");
        check::<{ place::NODE }>("-o{data}/{file} {file_size}", "-o/run/leecher-1/data/payload.bin 1000");
        check::<{ place::NODE }>(r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1}}"#);
        check::<{ place::NODE }>("{{data}}{", "{data}{");
        check::<{ place::NODE }>("", "");
        check::<{ place::DOWNLOAD_URL }>("http://{seeder}{reference}", "http://10.0.0.1/ref");
        check::<{ place::PORT }>("{peer_port}", "8000");
        check::<{ place::PORT }>("80", "80");
        check::<{ place::PATH }>("{data}/{file}.part", "/run/leecher-1/data/payload.bin.part");
    }

    #[test]
    fn what_may_not_stand_somewhere_is_named_with_what_may() {
        check::<{ place::NODE }>(
            "{adress}",
            "`{adress}` is no placeholder; here may stand {home}, {data}, {file}",
        );
        check::<{ place::NODE }>("{reference}", "may not stand here");
        check::<{ place::URL }>("http://{data}", "`{data}` may not stand here, only {file}, {address}");
        check::<{ place::URL }>("{address}:80", "does not begin with http://");
        check::<{ place::PORT }>("{address}", "only {peer_port}, {control_port}");
        check::<{ place::PORT }>("0", "is no port");
        check::<{ place::PORT }>("{peer_port}0", "is no port");
        check::<{ place::PATH }>("/etc/passwd", "does not begin with {home} or {data}");
        check::<{ place::NODE }>("{control_port}", "needs `control_ports`");
        check::<{ place::JOINED }>("{contact}", "not known to itself");
    }
}
