//! Finds milestones in what an application answered when it was asked for its progress.
//!
//! Pure. Knows only the application's word; what the kernel counted is another part's business.

use capture::MilestoneName;

use crate::bench::dataset::Sample;

/// A milestone that lies between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    pub name: MilestoneName,
    /// When the answer that showed it had arrived: it was passed by then.
    pub at_ns: u64,
    /// Back to the sending of the last question whose answer left no doubt that it was not passed yet.
    pub resolution_ns: u64,
    pub bytes: u64,
}

const ORDER: [MilestoneName; 4] =
    [MilestoneName::FirstByte, MilestoneName::P50, MilestoneName::P90, MilestoneName::P100];

/// The milestones that `sample` shows and `previous` did not, in their order.
///
/// The sample before the first is the request for the transfer: no bytes, both times those of the request.
pub fn passed(
    previous: &Sample,
    sample: &Sample,
    file_size_bytes: u64,
    not_passed: &NotPassed,
) -> impl Iterator<Item = Passed> {
    let (before, now) = (previous.bytes, sample.bytes);
    let at_ns = sample.answered_ns;
    ORDER
        .into_iter()
        .zip(not_passed.asked_ns)
        .filter(move |(name, _)| {
            let needed = bytes_needed(*name, file_size_bytes);
            before < needed && needed <= now
        })
        .map(move |(name, asked_ns)| Passed { name, at_ns, resolution_ns: at_ns - asked_ns, bytes: now })
}

/// The last question to which each milestone was certainly not passed. Where answers grow by whole batches, up to a batch
/// more than they say may have been there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotPassed {
    /// In the milestones' order; before the first question, the request.
    asked_ns: [u64; ORDER.len()],
}

impl NotPassed {
    pub fn since(requested_ns: u64) -> Self {
        Self { asked_ns: [requested_ns; ORDER.len()] }
    }

    pub fn learn(&mut self, sample: &Sample, batch_bytes: u64, file_size_bytes: u64) {
        for (name, asked_ns) in ORDER.into_iter().zip(&mut self.asked_ns) {
            let most = sample.bytes.saturating_add(batch_bytes.saturating_sub(1));
            if most < bytes_needed(name, file_size_bytes) {
                *asked_ns = sample.requested_ns;
            }
        }
    }
}

/// Payload bytes that the next milestone lacks; 0 after the last one.
pub fn lacking(bytes: u64, file_size_bytes: u64) -> u64 {
    let needed = ORDER.into_iter().map(|name| bytes_needed(name, file_size_bytes));
    needed.map(|needed| needed.saturating_sub(bytes)).find(|&lacking| lacking > 0).unwrap_or(0)
}

/// The fewest payload bytes with which a milestone is passed: p × S, rounded up to whole bytes.
fn bytes_needed(name: MilestoneName, file_size_bytes: u64) -> u64 {
    match name {
        MilestoneName::FirstByte => 1,
        MilestoneName::P50 => file_size_bytes.div_ceil(2),
        MilestoneName::P90 => (file_size_bytes * 9).div_ceil(10),
        MilestoneName::P100 => file_size_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE_SIZE_BYTES: u64 = 1001;

    /// Bytes at samples 20 ns apart, each answered after 3 ns, against `name@time±resolution:bytes` of what
    /// is passed.
    #[track_caller]
    fn check(bytes: &[u64], expected: &str) {
        check_batches(1, bytes, expected);
    }

    #[track_caller]
    fn check_batches(batch_bytes: u64, bytes: &[u64], expected: &str) {
        let mut previous = Sample::default();
        let mut not_passed = NotPassed::default();
        let mut found = Vec::new();
        for (number, &bytes) in (1u64..).zip(bytes) {
            let sample = Sample { requested_ns: number * 20, answered_ns: number * 20 + 3, bytes };
            let passed = passed(&previous, &sample, FILE_SIZE_BYTES, &not_passed);
            found.extend(passed.map(|milestone| {
                let Passed { name, at_ns, resolution_ns, bytes } = milestone;
                format!("{name}@{at_ns}±{resolution_ns}:{bytes}")
            }));
            not_passed.learn(&sample, batch_bytes, FILE_SIZE_BYTES);
            previous = sample;
        }
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn each_milestone_is_found_once_at_the_answer_that_shows_it() {
        check(&[0, 0, 0], "");
        check(&[0, 16, 400], "first_byte@43±23:16");
        check(&[1, 501, 901, 1001], "first_byte@23±23:1 p50@43±23:501 p90@63±23:901 p100@83±23:1001");
        check(&[1, 501, 501, 600], "first_byte@23±23:1 p50@43±23:501");
    }

    /// The request is at 0. Of 1001 bytes in batches of 400, 400 may be 799, which has the half.
    #[test]
    fn what_grows_by_batches_may_have_passed_before_it_said_so() {
        check_batches(
            400,
            &[0, 400, 800, 1001],
            "first_byte@43±43:400 p50@63±43:800 p90@83±43:1001 p100@83±43:1001",
        );
        check_batches(1, &[0, 400, 800], "first_byte@43±23:400 p50@63±23:800");
    }

    #[test]
    fn shares_are_rounded_up_to_whole_bytes() {
        check(&[500], "first_byte@23±23:500");
        check(&[501], "first_byte@23±23:501 p50@23±23:501");
        check(&[900], "first_byte@23±23:900 p50@23±23:900");
        check(&[1000], "first_byte@23±23:1000 p50@23±23:1000 p90@23±23:1000");
    }

    #[test]
    fn a_milestone_lacks_bytes_until_it_is_passed() {
        let lacking = |bytes| lacking(bytes, FILE_SIZE_BYTES);
        let all = [0, 1, 500, 501, 900, 901, 1000, 1001, 2000].map(lacking);
        assert_eq!(all, [1, 500, 1, 400, 1, 100, 1, 0, 0]);
    }

    #[test]
    fn one_answer_can_show_several_milestones() {
        check(&[1001], "first_byte@23±23:1001 p50@23±23:1001 p90@23±23:1001 p100@23±23:1001");
    }

    #[test]
    fn a_late_answer_widens_the_resolution() {
        let previous = Sample { requested_ns: 100, answered_ns: 101, bytes: 0 };
        let sample = Sample { requested_ns: 120, answered_ns: 190, bytes: 5 };
        let not_passed = NotPassed::since(100);
        let found: Vec<_> = passed(&previous, &sample, FILE_SIZE_BYTES, &not_passed).collect();
        assert_eq!((found[0].at_ns, found[0].resolution_ns), (190, 90));
    }
}
