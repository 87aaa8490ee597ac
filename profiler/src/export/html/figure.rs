//! One transfer on one time axis: shares of each phase, the path through each process, who had what was waited for, bytes,
//! rate, and what threads did.

use std::collections::{BTreeMap, BTreeSet};

use analysis::{
    figures::{Bin, Lane, Resource, TransferFigure, Unseen},
    milestones,
    report::{Phase, TransferReport},
};
use capture::MilestoneName;
use maud::{Markup, html};

use super::{
    axis::{Axis, px, x},
    curves, finish_s, flame,
    parts::{self, PARTS, Part},
    percent,
};
use crate::export::sections::cells::clean;

/// Heights, px.
const PHASES: f64 = 132.0;
const LANE: f64 = 34.0;
const THREAD: f64 = 18.0;

/// What a lane has of the time at least, to be drawn.
const LEAST: f64 = 0.002;

pub fn draw(transfer: &TransferReport, figure: &TransferFigure) -> Markup {
    let claimed_s = transfer.milestones.iter().filter_map(|milestone| milestone.app_s);
    let scale = Axis { to_s: claimed_s.fold(finish_s(transfer), f64::max) };
    let names: Vec<(&str, f64)> = transfer
        .milestones
        .iter()
        .filter_map(|milestone| Some((name(milestone.name), milestone.kernel_s?)))
        .collect();
    html! {
        section.figure {
            h2 { "Where the time of " bdi { (clean(&transfer.label)) } " went" }
            div.lanes data-s=(scale.to_s) {
                span.label { b { "since the request" } }
                (scale.ticks())
                span.label { small { "milestones, by the kernel" } }
                (scale.names(&names))
                (phases(transfer, scale))
                (path(transfer, figure, scale))
                (holders(transfer, figure, scale))
                (curves::bytes(transfer, figure, scale))
                (curves::rates(transfer, figure, scale))
            }
            (legend(&[transfer]))
            p.about {
                @if !figure.reached.is_empty() {
                    @for (place, (percent, s)) in figure.reached.iter().enumerate() {
                        (if place == 0 { "" } else { " · " }) (percent) " % of the bytes at " (format!("{s:.2} s"))
                    }
                    ". "
                }
                "Same hue, same resource; pale: on the peer’s side, while it was waited for. Shares follow the path that the "
                "bytes waited for; they sum to 100 % of the time."
                @if let Some(reasons) = hatched(figure) { " Hatched: " (reasons) "." }
            }
            (flame::draw(transfer, figure))
            @if !figure.threads.is_empty() {
                details {
                    summary { "Threads of the processes on the path" }
                    div.lanes data-s=(scale.to_s) {
                        span.label {}
                        (scale.ticks())
                        @for lane in &figure.threads { (thread(lane, figure, scale)) }
                    }
                    p.about { "What each did, wait by wait: a loop’s own tick is a timer here, whatever it waited for." }
                }
            }
        }
    }
}

/// The parts that are there, the largest first.
pub fn legend(transfers: &[&TransferReport]) -> Markup {
    let mut sums = BTreeMap::<usize, f64>::new();
    for transfer in transfers {
        for (part, share) in parts::of_transfer(transfer) {
            let place = PARTS.iter().position(|other| other == part).unwrap_or_default();
            *sums.entry(place).or_default() += share / transfers.len() as f64;
        }
    }
    let mut all: Vec<(usize, f64)> = sums.into_iter().filter(|(_, share)| *share >= 0.0005).collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    html! {
        ul.legend {
            @for (place, share) in all {
                li { svg width="12" height="12" aria-hidden="true" { rect class=(PARTS[place].class) width="12" height="12" rx="2" {} }
                    " " (PARTS[place].label) " " b { (percent(share)) } }
            }
        }
    }
}

/// `first byte to 50 %`
pub fn phase_name(phase: &Phase) -> String {
    let from = milestones::NAMES.into_iter().find(|milestone| milestone.to_string() == phase.from);
    format!("{} to {}", from.map_or_else(|| phase.from.clone(), |from| name(from).to_owned()), name(phase.to))
}

pub fn name(milestone: MilestoneName) -> &'static str {
    match milestone {
        MilestoneName::FirstByte => "first byte",
        MilestoneName::P50 => "50 %",
        MilestoneName::P90 => "90 %",
        MilestoneName::P100 => "100 %",
    }
}

fn phases(transfer: &TransferReport, scale: Axis) -> Markup {
    let mut to_s = 0.0;
    let phases: Vec<_> = transfer
        .phases
        .iter()
        .map(|phase| {
            let from_s = to_s;
            to_s += phase.wall_s;
            (phase, scale.at(from_s), scale.at(to_s))
        })
        .collect();
    html! {
        span.label { b { "share of time" } small { "of each phase" } }
        svg height=(PHASES) role="img" aria-label="shares of time of each phase" {
            @for (phase, from, to) in &phases {
                @if let Some(budget) = &phase.budget {
                    @for (part, top, share) in parts::stacked(parts::values(&budget.shares, &budget.network_detail)) {
                        @let said = format!("{} {}", part.label, percent(share));
                        rect class=(part.class) x=(x(*from)) y=(px(top * PHASES)) width=(x(to - from)) height=(px(share * PHASES)) {
                            title { (phase_name(phase)) ": " (said) }
                        }
                        @if let Some(class) = room(&said, to - from, share * PHASES) {
                            text class=(format!("on-{} {class}", part.class)) x=(x((from + to) / 2.0))
                                y=(px((top + share / 2.0) * PHASES + 4.0)) text-anchor="middle" { (said) }
                        }
                    }
                }
            }
            (milestones(transfer, scale))
        }
    }
}

/// Whether a text has room in a part: in every figure, in a wide one only, or in none.
pub fn room(text: &str, width: f64, height: f64) -> Option<&'static str> {
    const LETTER: f64 = 7.0;
    const WIDE: f64 = 860.0;
    const NARROW: f64 = 320.0;
    let needed = (text.chars().count() + 1) as f64 * LETTER;
    match width {
        _ if height < 15.0 => None,
        width if width * NARROW >= needed => Some(""),
        width if width * WIDE >= needed => Some("wide"),
        _ => None,
    }
}

pub fn milestones(transfer: &TransferReport, scale: Axis) -> Markup {
    html! {
        @for kernel_s in transfer.milestones.iter().filter_map(|milestone| milestone.kernel_s) {
            line.milestone x1=(x(scale.at(kernel_s))) x2=(x(scale.at(kernel_s))) y1="0" y2="100%" {}
        }
    }
}

/// Hatched, over what is drawn of that time.
pub fn unseen(figure: &TransferFigure, scale: Axis) -> Markup {
    html! {
        @for unseen in &figure.unseen {
            rect.unseen x=(x(scale.at(unseen.from_s))) width=(x((scale.at(unseen.to_s) - scale.at(unseen.from_s)).max(0.002)))
                height="100%" { title { (why(unseen)) } }
        }
    }
}

fn why(unseen: &Unseen) -> String {
    match &unseen.family {
        Some(family) => format!("without {}, to keep the limit of cost", clean(family)),
        None => "records were lost".to_owned(),
    }
}

/// Each reason once.
fn hatched(figure: &TransferFigure) -> Option<String> {
    let reasons: BTreeSet<String> = figure.unseen.iter().map(why).collect();
    (!reasons.is_empty()).then(|| reasons.into_iter().collect::<Vec<_>>().join("; "))
}

/// A lane for each who had the CPU, or the disk, that was waited for.
fn holders(transfer: &TransferReport, figure: &TransferFigure, scale: Axis) -> Markup {
    html! {
        @for held in &figure.held {
            @let (class, had) = match held.what {
                Resource::Cpu => ("cpu_wait", "had the CPU"),
                Resource::Disk => ("disk", "had the disk"),
            };
            span.label {
                bdi { (clean(&held.process)) }
                small { @if let Some(pid) = held.pid { (pid) " " } (had) }
            }
            svg height=(THREAD) role="img" aria-label=(format!("who {had}")) {
                (of_one_part(class, figure, &held.parts, scale).draw())
                (milestones(transfer, scale))
            }
        }
    }
}

/// A lane for each process that the path leads through, the transfer's own first, and one for what was on its way.
fn path(transfer: &TransferReport, figure: &TransferFigure, scale: Axis) -> Markup {
    let own = &transfer.label;
    let mut parts_s = BTreeMap::<&str, f64>::new();
    for bin in &figure.bins {
        for told in &bin.of_processes {
            *parts_s.entry(&told.process).or_default() += told.part * (bin.to_s - bin.from_s);
        }
    }
    let wall_s = finish_s(transfer);
    let mut processes: Vec<(&str, f64)> = parts_s.into_iter().filter(|(_, s)| *s >= LEAST * wall_s).collect();
    processes
        .sort_by(|one, other| (other.0 == own, other.1).partial_cmp(&(one.0 == own, one.1)).expect("no NaN"));
    let way_s: f64 = figure
        .bins
        .iter()
        .map(|bin| (bin.to_s - bin.from_s) * on_the_way(bin).iter().map(|part| part.1).sum::<f64>())
        .sum();
    html! {
        @for (process, _) in processes {
            span.label { b { bdi { (clean(process)) } } small { (if process == own { "on the path" } else { "waited for" }) } }
            (lane(figure, scale, transfer, LANE, &|bin| {
                let of = bin.of_processes.iter().filter(|told| told.process == process);
                of.filter_map(|told| Some((parts::of_process(told.share, process == own)?, told.part))).collect()
            }))
        }
        @if way_s >= LEAST * wall_s {
            span.label { b { "on the way" } small { "or not known" } }
            (lane(figure, scale, transfer, LANE, &on_the_way))
        }
    }
}

/// What is no thread's: the path less what is told of processes.
fn on_the_way(bin: &Bin) -> Vec<(&'static Part, f64)> {
    let values = parts::values(&bin.shares, &bin.network_detail);
    let first = PARTS.iter().position(|part| part.class == "link").unwrap_or_default();
    let last = PARTS.iter().position(|part| part.class == "unknown").unwrap_or_default();
    PARTS[first..=last]
        .iter()
        .zip(values[first..=last].iter().copied())
        .filter(|(_, value)| *value > 0.0)
        .collect()
}

/// Bins with stacks from the bottom, one path for each part.
fn lane(
    figure: &TransferFigure,
    scale: Axis,
    transfer: &TransferReport,
    height: f64,
    of: &dyn Fn(&Bin) -> Vec<(&'static Part, f64)>,
) -> Markup {
    let mut paths = Paths::default();
    for bin in &figure.bins {
        paths.bin(scale, bin, of(bin));
    }
    html! {
        svg height=(height) role="img" aria-label="the path over time" {
            (paths.draw())
            (unseen(figure, scale))
            (milestones(transfer, scale))
        }
    }
}

/// Values parallel to the bins, in the colour of one part.
fn of_one_part(class: &str, figure: &TransferFigure, values: &[f64], scale: Axis) -> Paths {
    let mut paths = Paths::default();
    for part in PARTS.iter().filter(|part| part.class == class) {
        for (bin, value) in figure.bins.iter().zip(values) {
            paths.bin(scale, bin, vec![(part, *value)]);
        }
    }
    paths
}

/// Shapes of each part, in a field of 1000 by 100.
#[derive(Default)]
struct Paths(BTreeMap<&'static str, Vec<Shape>>);

#[derive(Clone, Copy)]
pub struct Shape {
    pub from: f64,
    pub to: f64,
    pub top: f64,
    pub tall: f64,
}

/// What differs by less is not seen.
const ALIKE: f64 = 0.5;

impl Paths {
    /// Stacks values, parts of the bin, from the bottom.
    fn bin(&mut self, scale: Axis, bin: &Bin, mut values: Vec<(&'static Part, f64)>) {
        let (from, to) = (1000.0 * scale.at(bin.from_s), 1000.0 * scale.at(bin.to_s));
        values.sort_by_key(|(part, _)| PARTS.iter().position(|other| other == *part));
        let mut below = 0.0;
        for (part, value) in values {
            let (low, high) = (below, f64::min(below + value, 1.0));
            below = high;
            if high - low >= LEAST {
                let shape = Shape { from, to, top: 100.0 * (1.0 - high), tall: 100.0 * (high - low) };
                self.0.entry(part.class).or_default().push(shape);
            }
        }
    }

    fn draw(&self) -> Markup {
        html! {
            svg width="100%" height="100%" viewBox="0 0 1000 100" preserveAspectRatio="none" {
                @for (class, shapes) in &self.0 { path class=(class) d=(outline(shapes)) {} }
            }
        }
    }
}

/// Rectangles, those that go on at the same height as one.
pub fn outline(shapes: &[Shape]) -> String {
    let mut joined: Vec<Shape> = Vec::new();
    for shape in shapes {
        match joined.last_mut() {
            Some(last)
                if last.to == shape.from
                    && (last.top - shape.top).abs() < ALIKE
                    && (last.tall - shape.tall).abs() < ALIKE =>
            {
                last.to = shape.to;
            }
            _ => joined.push(*shape),
        }
    }
    let shapes = joined.iter().map(|Shape { from, to, top, tall }| {
        format!("M{from:.1} {top:.1}h{:.1}v{tall:.1}h{:.1}z", to - from, from - to)
    });
    shapes.collect()
}

fn thread(lane: &Lane, figure: &TransferFigure, scale: Axis) -> Markup {
    let mut paths = Paths::default();
    for (bin, state) in figure.bins.iter().zip(&lane.states) {
        let of = state.shares.named().into_iter().filter(|(_, value)| *value > 0.0);
        // A wait for the network, not asked what for.
        let part = |name: &str| {
            PARTS.iter().find(|part| part.class == if name == "network" { "link" } else { name })
        };
        paths.bin(scale, bin, of.filter_map(|(name, value)| Some((part(name)?, value))).collect());
    }
    html! {
        span.label { bdi { (clean(&lane.process)) } small { bdi { (clean(&lane.comm)) } " " (lane.tid) } }
        svg height=(THREAD) role="img" aria-label="what the thread did" { (paths.draw()) (unseen(figure, scale)) }
    }
}
