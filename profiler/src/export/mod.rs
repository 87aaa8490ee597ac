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

    use analysis::figures;
    use capture::{Record, Writer, testing::sample};

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

    /// Names of processes, threads, labels and frames are others'.
    #[test]
    fn no_name_steers_what_reads_a_format() {
        const FOREIGN: &str = "a;b<script>\x1b[2J\n\"c";
        let mut records = sample::records();
        for record in &mut records {
            match record {
                Record::Label(label) => label.label = format!("{}{FOREIGN}", label.label),
                Record::Transfer(transfer) => transfer.label.push_str(FOREIGN),
                Record::Milestone(milestone) => milestone.label.push_str(FOREIGN),
                Record::ThreadTotals(thread) => thread.comm = FOREIGN.to_owned(),
                Record::ProcessTotals(process) => process.comm = FOREIGN.to_owned(),
                Record::Stack(stack) => stack.frames.iter_mut().for_each(|frame| frame.push_str(FOREIGN)),
                _ => {}
            }
        }
        let folder = tempfile::tempdir().expect("a scratch directory");
        let path = folder.path().join("foreign.capture");
        let mut writer = Writer::create(&path).expect("a capture");
        records.iter().for_each(|record| writer.push(record).expect("room"));
        writer.finish_frame().expect("room");
        let (report, figures) = figures::of_capture(&path).expect("a report");
        for format in FORMATS.iter().chain(FOR_TOOLS) {
            let mut out = Vec::new();
            format
                .write(Source { capture: &path, report: &report, figures: &figures }, &mut out)
                .expect("room");
            let name = format.name();
            let text = String::from_utf8_lossy(&out);
            assert!(!text.contains("\x1b[2J"), "{name} has a control character");
            assert!(text.contains("script"), "{name} lost the name");
            assert!(name != "html" || !text.contains("<script>?"), "{name} has markup of others");
            for line in text.lines().filter(|_| name == "folded") {
                let (frames, us) = line.rsplit_once(' ').expect("frames and a number");
                assert!(us.parse::<u64>().is_ok() && !frames.contains(";b<"), "{line}");
            }
        }
    }
}
