//! Which others a node knows, from the routing table in its `/debug/info`.
//!
//! A node lists its bootstrap node from its start on, dead or not. Whoever asks to be listed in another's table
//! has shaken hands with it over the network: the first node's table tells of newcomers, and not the other way
//! round.

use serde_json::Value;

/// Whether the table lists the node of this peer id. Without a table nothing speaks against
/// it.
pub fn has_heard_from(info: &Value, peer_id: &str) -> bool {
    let nodes = info["table"]["nodes"].as_array();
    nodes.is_none_or(|nodes| nodes.iter().any(|node| node["peerId"] == peer_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(info: &Value, peer_id: &str, expected: bool) {
        assert_eq!(has_heard_from(info, peer_id), expected);
    }

    #[test]
    fn only_a_peer_in_the_table_counts() {
        let info = json!({
            "id": "16Uiu2A",
            "table": { "localNode": { "peerId": "16Uiu2A" }, "nodes": [{ "peerId": "16Uiu2B" }] }
        });
        check(&info, "16Uiu2B", true);
        check(&info, "16Uiu2C", false);
        // The node itself is beside the table's nodes.
        check(&info, "16Uiu2A", false);
        check(&json!({ "table": { "nodes": [] } }), "16Uiu2B", false);
        check(&json!({ "id": "16Uiu2A" }), "16Uiu2B", true);
    }
}
