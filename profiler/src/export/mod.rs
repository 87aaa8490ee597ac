//! Output formats: a file each, and a line in [`FORMATS`] or [`FOR_TOOLS`]. They show a report, and compute nothing.

pub mod folded;
pub mod html;
pub mod json;
pub mod perfetto;
pub mod pprof;
pub mod sections;
pub mod text;

use std::{io::Write, path::Path};

use analysis::{figures::Figures, report::Report};
use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A way to show a report.
pub trait Format: Send + Sync {
    /// As it is typed.
    fn name(&self) -> &'static str;

    /// What names of its files end with.
    fn extension(&self) -> &'static str;

    /// Whether other text may stand before it.
    fn is_for_people(&self) -> bool {
        false
    }

    /// Whether it shows figures, which take longer to find than a report alone.
    fn draws(&self) -> bool {
        false
    }

    fn write(&self, source: Source, out: &mut dyn Write) -> Result<()>;
}

/// What is shown: a report, and the capture that it is of, for formats that show its records.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    pub capture: &'s Path,
    pub report: &'s Report,
    /// Empty for a format that does not draw.
    pub figures: &'s Figures,
}

/// Every format, the default first.
pub static FORMATS: &[&dyn Format] = &[&text::Text, &json::Json, &html::Html];

/// What other tools read.
pub static FOR_TOOLS: &[&dyn Format] = &[&perfetto::Perfetto, &folded::Folded, &pprof::Pprof];

/// Those that a benchmark leaves beside each capture, which may not be kept.
pub static BESIDE_CAPTURES: &[&dyn Format] = &[&text::Text, &json::Json, &html::Html];

/// A format by its name, for arguments.
pub fn parser(formats: &'static [&'static dyn Format]) -> impl TypedValueParser<Value = &'static dyn Format> {
    PossibleValuesParser::new(formats.iter().map(|format| format.name()))
        .map(|typed| *formats.iter().find(|format| format.name() == typed).expect("one of them"))
}

/// The default's name.
pub fn default() -> &'static str {
    FORMATS[0].name()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A second one of a name could not be asked for, and would write over the first one's file.
    #[test]
    fn no_two_formats_have_the_same_name_or_extension() {
        for formats in [FORMATS, FOR_TOOLS, BESIDE_CAPTURES] {
            let names: BTreeSet<&str> = formats.iter().map(|format| format.name()).collect();
            let extensions: BTreeSet<&str> = formats.iter().map(|format| format.extension()).collect();
            assert_eq!(
                (names.len(), extensions.len()),
                (formats.len(), formats.len()),
                "{names:?} {extensions:?}"
            );
        }
    }
}
