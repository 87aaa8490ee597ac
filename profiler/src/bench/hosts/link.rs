//! What the network of every node is limited to.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::values;

/// Each node's link, both ways alike; what is missing is not limited.
#[derive(Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// Of whole Ethernet frames, in each direction.
    #[serde(deserialize_with = "rate")]
    pub rate_bits_per_s: Option<u64>,
    /// One way: a round trip between two nodes takes twice as long. As in `"5ms"`.
    #[serde(rename(serialize = "delay_s"), deserialize_with = "delay", serialize_with = "seconds")]
    pub delay: Option<Duration>,
    /// Of the packets that a node sends.
    #[serde(deserialize_with = "loss")]
    pub loss_percent: Option<f64>,
}

fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let bits_per_s = u64::deserialize(from)?;
    // The kernel takes bytes per second in 32 bits.
    match (8_000..=8 * u64::from(u32::MAX)).contains(&bits_per_s) {
        true => Ok(Some(bits_per_s)),
        false => Err(D::Error::custom(format!(
            "{bits_per_s} bits per second are no rate of a link: from 8,000 to 34,359,738,360"
        ))),
    }
}

fn delay<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    values::time_in_file(from).map(Some)
}

fn loss<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let percent = f64::deserialize(from)?;
    match (0.0..=100.0).contains(&percent) {
        true => Ok(Some(percent)),
        false => Err(D::Error::custom(format!("{percent} is no loss in percent: from 0 to 100"))),
    }
}

fn seconds<S: Serializer>(delay: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    delay.map(|delay| delay.as_secs_f64()).serialize(to)
}
