//! The service's log, on the standard error: text, or a JSON object a line. Bounded: what says the same too often is left
//! out, and counted.

use std::{
    collections::HashMap,
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use tracing::{Event, Metadata, callsite::Identifier, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer as _,
    layer::{Context, Filter, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// Messages of one place in the program in each window. The next window has as many again.
const MESSAGES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Begins to log. To be called once.
pub fn begin(format: LogFormat) {
    let (text, json) = match format {
        // The journal has its own times.
        LogFormat::Text if env::var_os("JOURNAL_STREAM").is_some() => {
            (Some(layer().without_time().with_ansi(false).with_target(false).boxed()), None)
        }
        LogFormat::Text => (Some(layer().with_ansi(false).with_target(false).boxed()), None),
        LogFormat::Json => (None, Some(layer().json().flatten_event(true).with_target(false).boxed())),
    };
    let layers =
        text.or(json).map(|layer| layer.with_filter(LevelFilter::INFO).with_filter(Bounded::default()));
    // Already there only in tests.
    let _ = tracing_subscriber::registry().with(layers).try_init();
}

/// How many messages were left out so far.
pub fn suppressed() -> u64 {
    SUPPRESSED.load(Ordering::Relaxed)
}

fn layer<S>() -> tracing_subscriber::fmt::Layer<
    S,
    tracing_subscriber::fmt::format::DefaultFields,
    tracing_subscriber::fmt::format::Format,
    fn() -> std::io::Stderr,
>
where
    S: tracing::Subscriber + for<'s> tracing_subscriber::registry::LookupSpan<'s>,
{
    tracing_subscriber::fmt::layer().with_writer(std::io::stderr as fn() -> std::io::Stderr)
}

/// Lets so many messages of each place pass in each window.
#[derive(Default)]
struct Bounded {
    passed: Mutex<HashMap<Identifier, (Instant, u32)>>,
}

impl Bounded {
    fn passes(&self, place: Identifier, now: Instant) -> bool {
        let mut passed = self.passed.lock().expect("no holder panicked");
        let (since, count) = passed.entry(place).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= MESSAGES
    }
}

impl<S> Filter<S> for Bounded {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let passes = self.passes(event.metadata().callsite(), Instant::now());
        SUPPRESSED.fetch_add(u64::from(!passes), Ordering::Relaxed);
        passes
    }
}

#[cfg(test)]
mod tests {
    use tracing::callsite::Callsite as _;

    use super::*;

    #[test]
    fn what_says_the_same_too_often_is_left_out_until_the_next_window() {
        let place = || tracing::callsite! { name: "a", kind: tracing::metadata::Kind::EVENT, fields: };
        let (one, other) = (place().metadata().callsite(), {
            let other = tracing::callsite! { name: "b", kind: tracing::metadata::Kind::EVENT, fields: };
            other.metadata().callsite()
        });
        let bounded = Bounded::default();
        let now = Instant::now();
        let passed =
            |place: &Identifier, at| (0..MESSAGES + 5).filter(|_| bounded.passes(place.clone(), at)).count();
        assert_eq!(passed(&one, now), MESSAGES as usize);
        assert_eq!(passed(&other, now), MESSAGES as usize, "each place by itself");
        assert_eq!(passed(&one, now + WINDOW), MESSAGES as usize);
    }
}
