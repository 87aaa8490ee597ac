//! Descriptions that are right, and what is said of those that are not.

use super::super::System;
use super::file::{Download, Progress, Ready, Way, parse};

const HTTP: &str = include_str!("../../../../docs/systems/http-curl.toml");
const RSYNC: &str = include_str!("../../../../docs/systems/rsync.toml");

/// A daemon that meets others, is told to download and asked how far it is.
const WHOLE: &str = r#"name = "swarmer"
peer_port = 4001
control_ports = [5001]
contact = { http = "http://127.0.0.1:{control_port}/id", pointer = "/Addresses/0" }
join = { command = ["swarmer", "join", "{contact}"] }
offer = { command = ["swarmer", "add", "{data}/{file}"], limit = "5m" }
stop_signal = "SIGINT"
[node]
start = ["swarmer", "--home={home}"]
files = { "swarmer.json" = '{"listen": "{address}"}' }
ready = { http = "http://127.0.0.1:{control_port}/id" }
[download]
http = "http://127.0.0.1:5001/get?arg={reference}"
post = ""
[progress]
http = "http://127.0.0.1:5001/stat"
pointer = "/received"
"#;

#[test]
fn the_shipped_examples_are_right() {
    let http = parse(HTTP, "http-curl.toml").unwrap();
    assert_eq!((http.name.as_str(), http.peer_port), ("http-curl", 8000));
    assert!(matches!(http.download, Download::Run(_)) && http.leecher.start.is_none());
    assert!(matches!(http.seeder.ready, Some(Ready::Tcp(_))));
    let rsync = parse(RSYNC, "rsync.toml").unwrap();
    assert!(rsync.seeder.files.contains_key("rsyncd.conf") && rsync.leecher.files.is_empty());
    assert!(matches!(rsync.progress, Some(Progress::File(_))));
}

#[test]
fn every_key_is_read() {
    let whole = parse(WHOLE, "whole.toml").unwrap();
    assert!(whole.seeder.start.is_some() && whole.leecher.start.is_some(), "[node] is both");
    let offer = whole.offer.unwrap();
    assert!(matches!(offer.way, Way::Command(_)));
    assert_eq!(offer.limit.as_secs(), 300);
    assert_eq!(whole.contact.unwrap().pointer.as_deref(), Some("/Addresses/0"));
    assert!(matches!(whole.download, Download::Asked(_)));
    assert!(matches!(whole.progress, Some(Progress::Asked(_))));
}

/// `WHOLE` with a part replaced, against the parts of the message.
#[track_caller]
fn check(part: &str, instead: &str, message_has: &[&str]) {
    assert!(WHOLE.contains(part), "{part}");
    let error = parse(&WHOLE.replacen(part, instead, 1), "bad.toml").expect_err(instead).to_string();
    for part in message_has {
        assert!(error.contains(part), "{instead}: {part:?} is missing in: {error}");
    }
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn what_is_wrong_is_one_message_with_line_and_key() {
    check("\"swarmer\"", "\"Swarmer\"", &["bad.toml:1: name", "no name of a system"]);
    check("\"swarmer\"", "\"deluge\"", &["bad.toml:1: name", "knows by itself"]);
    check("4001", "\"4001\"", &["bad.toml:2: peer_port", "string"]);
    check("4001", "70000", &["bad.toml:2: peer_port", "70000"]);
    check("peer_port", "peerport", &["bad.toml:2", "peerport", "peer_port"]);
    check("{control_port}/id", "{data}/id", &["bad.toml:4: contact", "`{data}` may not stand here"]);
    check("pointer = \"/Addr", "pointer = \"Addr", &["bad.toml:4: contact", "begins with /"]);
    check("{contact}", "{contakt}", &["bad.toml:5: join", "`{contakt}` is no placeholder", "{contact}"]);
    check("\"5m\"", "5", &["bad.toml:6: offer.limit", "needs its unit"]);
    check("{data}/{file}", "{reference}", &["bad.toml:6: offer", "`{reference}` may not stand here"]);
    check("SIGINT", "SIGFOO", &["bad.toml:7: stop_signal", "SIGFOO", "SIGTERM"]);
    check("[\"swarmer\", \"--home={home}\"]", "[]", &["bad.toml:9: node.start", "at least its program"]);
    check("[\"swarmer\", \"--home", "[\"{home}\", \"--home", &["bad.toml:9: node.start", "no placeholder"]);
    check("\"swarmer.json\"", "\"../x\"", &["bad.toml:10: node.files", "no name of a file"]);
    check("ready = { http", "ready = { htp", &["bad.toml:11: node.ready", "htp"]);
    check(
        "http = \"http://127.0.0.1:{control_port}/id\" }\n[",
        "tcp = \"{address}\" }\n[",
        &["bad.toml:11: node.ready", "only {peer_port}"],
    );
    check("post = \"\"", "run = [\"curl\"]", &["bad.toml:12: download", "one of `run`"]);
    check(
        "[progress]\nhttp = \"http://127.0.0.1:5001/stat\"\npointer = \"/received\"\n",
        "",
        &["bad.toml", "`progress` is missing"],
    );
    check(
        "[progress]\nhttp = \"http://127.0.0.1:5001/stat\"\npointer = \"/received\"",
        "[progress]\nfile = \"/x\"",
        &["bad.toml:16: progress", "{home} or {data}"],
    );
    check("[node]", "[seeder]", &["bad.toml", "leecher has nothing to start"]);
    check("name =", "name = =", &["bad.toml:1"]);
}

#[test]
fn a_name_that_nobody_knows_is_told_the_way_to_a_file() {
    let error = System::typed("napster").unwrap_err().to_string();
    assert!(error.contains("napster") && error.contains("`NAME.toml`"), "{error}");
    let error = System::typed("/nowhere/napster.toml").unwrap_err();
    assert!(format!("{error:#}").contains("/nowhere/napster.toml"), "{error:#}");
}
