//! Probe families as they were attached.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A probe family as it was attached, or not.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Family {
    pub name: String,
    pub state: FamilyState,
    /// What was attached.
    pub hooks: Vec<Hook>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FamilyState {
    /// All of it was attached.
    Whole,
    /// A part could not be.
    Partial {
        why: String,
    },
    Missing {
        why: String,
    },
    /// Nobody asked for it.
    LeftOut,
}

/// What a program was attached to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// A tracepoint, a function, or another way in words.
    pub name: String,
    /// The one that could not be attached, for which this stands in.
    pub instead_of: Option<String>,
}

impl Family {
    /// A family that was attached by these hooks, with what could not be.
    pub fn attached(name: &str, hooks: Vec<Hook>, missing: Option<String>) -> Self {
        let state = match missing {
            None => FamilyState::Whole,
            Some(why) if hooks.is_empty() => FamilyState::Missing { why },
            Some(why) => FamilyState::Partial { why },
        };
        Self { name: name.to_owned(), state, hooks }
    }

    pub fn left_out(name: &str) -> Self {
        Self { name: name.to_owned(), state: FamilyState::LeftOut, hooks: Vec::new() }
    }

    pub fn is_left_out(&self) -> bool {
        self.state == FamilyState::LeftOut
    }

    pub fn is_whole(&self) -> bool {
        self.state == FamilyState::Whole
    }

    /// Why it, or a part of it, could not be attached.
    pub fn missing(&self) -> Option<&str> {
        match &self.state {
            FamilyState::Partial { why } | FamilyState::Missing { why } => Some(why),
            FamilyState::Whole | FamilyState::LeftOut => None,
        }
    }

    /// Hooks that stand in for others.
    pub fn second_choices(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(|hook| hook.instead_of.is_some())
    }
}

impl Hook {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), instead_of: None }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instead_of {
            None => f.write_str(&self.name),
            Some(first) => write!(f, "{} instead of {first}", self.name),
        }
    }
}
