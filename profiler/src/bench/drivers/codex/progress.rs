//! The progress endpoint of newer versions: a node fetches a file into its store, and is asked how far it is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::rest::Rest;

/// Progress moves when a batch of blocks is stored: of 1 MiB, in some versions less.
pub const BATCH_BYTES: u64 = 1 << 20;

/// Well formed, and nobody's.
const NO_CID: &str = "zDvZRwzm8PF6T6DxczZ3vb49etzskwNimp56vZCia7vdtRH2zH4a";
/// What a download that has ended may still have on its way into the store.
const STORED_LIMIT: Duration = Duration::from_secs(5);

/// A download that a node does by itself.
pub struct Fetch {
    /// Where it tells of it; some versions fetch and name no id to ask by.
    path: Option<String>,
    file_size_bytes: u64,
    /// Whether the node ever told of it: it forgets a download that has ended.
    was_active: bool,
    /// Since when it has been over.
    over_since: Option<Instant>,
}

/// Whether a node tells of its downloads: one that can says of an unknown one that it is not active. To be asked before a
/// fetch is begun, which goes on beside a stream, and takes the link from it.
pub fn tells(rest: &mut Rest) -> Result<bool> {
    let answer = rest.find(&format!("data/{NO_CID}/network/progress/999"))?;
    Ok(answer.is_some_and(|answer| answer["active"].is_boolean()))
}

/// Has the node fetch a file.
pub fn fetch(rest: &mut Rest, cid: &str) -> Result<Fetch> {
    let answer = rest.post(&format!("data/{cid}/network"))?;
    let id = match &answer["downloadId"] {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    // Downloads go by the tree's id: asked by the manifest's, a node says of each that it is not active.
    let key = answer["manifest"]["treeCid"].as_str().unwrap_or(cid);
    Ok(Fetch {
        path: id.map(|id| format!("data/{key}/network/progress/{id}")),
        file_size_bytes: answer["manifest"]["datasetSize"]
            .as_u64()
            .context("the answer to a download has no number `manifest.datasetSize`")?,
        was_active: false,
        over_since: None,
    })
}

impl Fetch {
    /// Bytes of the file that are there. A download that the node has forgotten had ended, a small one before it was first
    /// asked: what its store holds, which held nothing before, tells how.
    pub fn bytes_there(&mut self, rest: &mut Rest) -> Result<u64> {
        if let Some(path) = &self.path {
            let progress = rest.json(path)?;
            if progress["active"].as_bool().context("the node's progress has no flag `active`")? {
                self.was_active = true;
                return progress["bytes"].as_u64().context("the node's progress has no number `bytes`");
            }
        }
        let space = rest.json("space")?;
        let used_bytes = space["quotaUsedBytes"].as_u64();
        let used_bytes = used_bytes.context("the node's space has no number `quotaUsedBytes`")?;
        if used_bytes >= self.file_size_bytes {
            return Ok(self.file_size_bytes);
        }
        let over_since = *self.over_since.get_or_insert_with(Instant::now);
        if self.path.is_some() && (!self.was_active || over_since.elapsed() > STORED_LIMIT) {
            let whole = self.file_size_bytes;
            let what = if self.was_active { "has ended" } else { "is not known to the node" };
            bail!("the download {what}, and its store holds {used_bytes} of {whole} bytes");
        }
        Ok(used_bytes)
    }
}
