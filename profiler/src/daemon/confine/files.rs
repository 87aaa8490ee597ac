//! Files of the calling thread, by Landlock.

use std::path::Path;

use anyhow::{Context as _, Result};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope,
};

/// What the newest kernel was tried with (6.18 has 7: what it adds is no more confined).
const KNOWN: ABI = ABI::V6;

/// Leaves nothing but what is in a folder, and no TCP connection, as far as this kernel can; gives how far that is.
pub fn only(folder: &Path) -> Result<String> {
    leave(folder, AccessFs::from_all(KNOWN))
}

/// The same, to be read alone.
pub fn only_read(folder: &Path) -> Result<String> {
    leave(folder, AccessFs::from_read(KNOWN))
}

fn leave(folder: &Path, access: BitFlags<AccessFs>) -> Result<String> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create)
        .context("make rules of Landlock")?
        .add_rule(PathBeneath::new(
            PathFd::new(folder).with_context(|| format!("open {}", folder.display()))?,
            access,
        ))
        .and_then(landlock::RulesetCreated::restrict_self)
        .context("confine by Landlock")?;
    let how_far = match status.ruleset {
        RulesetStatus::FullyEnforced => "fully",
        RulesetStatus::PartiallyEnforced => "partly",
        RulesetStatus::NotEnforced => "not",
    };
    Ok(how_far.to_owned())
}
