//! What is said at the collector's door: one line of JSON each way.

use serde::{Deserialize, Serialize};

use super::{
    recordings::{RecordingStatus, Wanted},
    status::{Attempt, Status},
    transfers::{Mark, Transfer},
};

/// A request; longer lines than [`LONGEST_REQUEST`] are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Status {},
    /// Tries in each kind of thread what none of them may do.
    Attempts {},
    /// What a script says of a transfer.
    Mark {
        mark: Mark,
    },
    /// The transfers that run, and those that ended last.
    Transfers {},
    /// Begins a recording.
    StartRecording {
        recording: Wanted,
    },
    /// Ends one: [`Recordings`](Self::Recordings) tells when that is done.
    StopRecording {
        name: String,
    },
    /// Those that run, and those that ended last.
    Recordings {},
}

/// What it is answered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Status(Box<Status>),
    Attempts(Vec<Attempt>),
    Marked {},
    Transfers(Vec<Transfer>),
    Recordings(Vec<RecordingStatus>),
    /// Why there is none.
    Error(String),
}

pub const LONGEST_REQUEST: usize = 16 << 10;

/// More than any status: a hundred targets and 256 devices are some 100 KiB.
pub const LONGEST_ANSWER: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_they_say() {
        let read = |line: &str| serde_json::from_str::<Request>(line).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"request":"status"}"#), Ok(Request::Status {}));
        let mark = r#"{"request":"mark","mark":{"step":"progress","label":"a","bytes":7}}"#;
        assert_eq!(
            read(mark),
            Ok(Request::Mark { mark: Mark::Progress { label: "a".to_owned(), bytes: 7 } })
        );
        for (line, part) in [
            (r#"{"request":"mark","mark":{"step":"end","label":"a"}}"#, "failed"),
            (r#"{"request":"stats"}"#, "stats"),
            (r#"{"request":"status","of":1}"#, "of"),
            ("{}", "request"),
            ("status", "expected"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
