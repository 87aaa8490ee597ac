//! The progress endpoint of newer eras: a node fetches a file into its store, and is asked how far it is.
//!
//! Follows the documents: no node that has it was seen live.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::rest::Rest;

/// A download that a node does by itself.
pub struct Fetch {
    path: String,
    /// Whether the node ever told of it: it forgets a download that has ended.
    was_active: bool,
}

/// Has the node fetch a file. There is nothing to be asked for if it names no id for that.
pub fn fetch(rest: &mut Rest, cid: &str) -> Result<Option<Fetch>> {
    let answer = rest.post(&format!("data/{cid}/network"))?;
    let id = match &answer["downloadId"] {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return Ok(None),
    };
    Ok(Some(Fetch { path: format!("data/{cid}/network/progress/{id}"), was_active: false }))
}

impl Fetch {
    /// Bytes of the file that are there. A download that the node has forgotten had ended: what its store holds,
    /// which held nothing before, tells how.
    pub fn bytes_there(&mut self, rest: &mut Rest) -> Result<u64> {
        let progress = rest.json(&self.path)?;
        let is_active = progress["active"].as_bool().context("the node's progress has no flag `active`")?;
        if is_active {
            self.was_active = true;
            return progress["bytes"].as_u64().context("the node's progress has no number `bytes`");
        }
        ensure!(self.was_active, "the node knows nothing of the download that it was asked for");
        let space = rest.json("space")?;
        space["quotaUsedBytes"].as_u64().context("the node's space has no number `quotaUsedBytes`")
    }
}
