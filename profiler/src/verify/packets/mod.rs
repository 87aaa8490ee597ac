//! Packet captures as a second opinion on socket bytes: payload per connection and direction, from headers alone.
//!
//! [`files`] reads pcap and pcapng as a stream, [`link`] finds the IP packet in a frame, [`headers`] what it carries,
//! [`kinds`] names what is neither TCP nor UDP, [`stream`] tells TCP's new bytes from those sent again, [`flows`] adds up
//! per connection. Pure: no privileges, no clock, nothing of the capture format. Lengths come from headers, so that a
//! short snap length costs nothing. Fragments are not reassembled.

pub mod files;
pub mod flows;
pub mod headers;
pub mod kinds;
pub mod link;
pub mod stream;

#[cfg(test)]
pub(crate) mod made;
