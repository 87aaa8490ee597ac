//! The time axis that everything of a figure shares. Places along it are percentages, so that a figure is as wide as there
//! is room, and its text stays as large as it is.

use maud::{Markup, html};

/// From the request, at 0, on.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub to_s: f64,
}

/// A wide figure has room for twice as many.
const TICKS: f64 = 8.0;

/// Columns of text in the narrowest figure, px; a letter is about as wide as this.
const NARROW: f64 = 320.0;
const LETTER: f64 = 6.6;

impl Axis {
    /// The place of a time, from 0 to 1.
    pub fn at(self, s: f64) -> f64 {
        if self.to_s > 0.0 { (s / self.to_s).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Times in seconds, and a line for each of `milestones`, whose names do not collide.
    pub fn ticks(self) -> Markup {
        let step = step(self.to_s / TICKS);
        let places = 0..=(self.to_s / step).floor() as u32;
        let digits = (-step.log10().floor()).max(0.0) as usize;
        html! {
            svg.axis height="16" aria-hidden="true" {
                @for place in places {
                    @let s = f64::from(place) * step;
                    @let class = (place % 2 == 1).then_some("odd");
                    text class=[class] x=(x(self.at(s))) y="12" text-anchor=(anchor(self.at(s))) {
                        (format!("{s:.digits$} s"))
                    }
                }
            }
        }
    }

    /// Names at their times, in as many rows as it takes that no two collide in a narrow figure.
    pub fn names(self, names: &[(&str, f64)]) -> Markup {
        const ROW: usize = 14;
        let mut ends: Vec<f64> = Vec::new();
        let mut placed = Vec::new();
        for &(name, s) in names {
            let place = self.at(s);
            let width = name.chars().count() as f64 * LETTER / NARROW;
            let begin = match anchor(place) {
                "start" => place,
                "end" => place - width,
                _ => place - width / 2.0,
            };
            let row = ends.iter().position(|end| *end < begin).unwrap_or(ends.len());
            ends.resize(ends.len().max(row + 1), 0.0);
            ends[row] = begin + width + LETTER / NARROW;
            placed.push((name, place, row));
        }
        html! {
            svg.names height=(ROW * ends.len().max(1)) aria-hidden="true" {
                @for (name, place, row) in placed {
                    text x=(x(place)) y=(ROW * row + 11) text-anchor=(anchor(place)) { (name) }
                }
            }
        }
    }
}

/// Along the axis.
pub fn x(place: f64) -> String {
    format!("{:.2}%", 100.0 * place)
}

pub fn px(height: f64) -> String {
    format!("{height:.1}")
}

/// Text at the ends stays inside.
pub fn anchor(place: f64) -> &'static str {
    match place {
        ..0.1 => "start",
        0.9.. => "end",
        _ => "middle",
    }
}

/// 1, 2 or 5 times a power of ten, and no less than `least`.
fn step(least: f64) -> f64 {
    if least <= 0.0 || !least.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= least).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        let steps = [0.0, 0.0009, 0.011, 1.0, 1.1, 4.4, 5.1, f64::NAN].map(step);
        assert_eq!(steps, [1.0, 0.001, 0.02, 1.0, 2.0, 5.0, 10.0, 1.0]);
    }

    #[test]
    fn names_at_one_place_have_rows_of_their_own() {
        let svg = Axis { to_s: 10.0 }.names(&[("50 %", 5.0), ("90 %", 5.1), ("100 %", 9.9)]).into_string();
        let rows: Vec<&str> = svg.match_indices(" y=\"").map(|(at, _)| &svg[at + 4..at + 6]).collect();
        assert_eq!(rows, ["11", "25", "11"], "{svg}");
    }
}
