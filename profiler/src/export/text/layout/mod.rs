//! Rows of cells in lines of at most [`WIDTH`] columns.
//!
//! Names, addresses and numbers stay whole. What makes a table fit is tried in this order: prose wraps, at its blanks;
//! the heads of columns do; the first column's names have lines of their own, above their rows; a name that has no room
//! in its column is written past its end, and its row goes on in the next line. A table with too many numbers is two.
//! What is longer than a line alone is cut.

use unicode_width::UnicodeWidthStr as _;

use crate::export::sections::{
    cells::KEPT,
    table::{Kind, Table},
};

/// Columns of a terminal; lines are not longer.
pub const WIDTH: usize = 100;

/// Before each row.
pub const INDENT: usize = 3;

/// Between two columns.
const GAP: usize = 2;

/// The table's lines, indented; nothing if it has no rows. Each line ends with a newline.
pub fn lines(table: &Table) -> String {
    let Table { kinds, head, rows, cut_before } = table.clone();
    Grid { kinds, head, rows, cut_before, indent: INDENT }.lines()
}

/// Columns without lines between them, as wide as their content.
struct Grid {
    kinds: Vec<Kind>,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    cut_before: Option<usize>,
    indent: usize,
}

impl Grid {
    /// Whether every name and number has room in its column.
    fn fits(&self) -> bool {
        self.total(&self.with_heads_and_prose_wrapped()) <= WIDTH
    }

    fn lines(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        if !self.fits() {
            if let Some((left, right)) = self.cut_before.and_then(|column| self.cut(column)) {
                return format!("{}\n{}", left.lines(), right.lines());
            }
            if let Some(grouped) = self.grouped() {
                return grouped;
            }
            if self.total(&self.narrowest()) > WIDTH
                && let Some((left, right)) = self.cut(self.middle())
            {
                return format!("{}\n{}", left.lines(), right.lines());
            }
        }
        let widths = self.narrowest();
        let rows = self.rows.iter().flat_map(|row| self.row(row, &widths));
        self.heads(&widths).into_iter().chain(rows).map(|line| line + "\n").collect()
    }

    /// The first column's names above their rows; `None` if the rows do not fit then.
    fn grouped(&self) -> Option<String> {
        if self.kinds.len() < 2 || self.kinds[0] != Kind::Name {
            return None;
        }
        let rest = Self {
            kinds: self.kinds[1..].to_vec(),
            cut_before: None,
            head: self.head[1..].to_vec(),
            rows: self.rows.iter().map(|row| row[1..].to_vec()).collect(),
            indent: self.indent + 2,
        };
        if !rest.fits() {
            return None;
        }
        let widths = rest.narrowest();
        let mut lines = self.alone(&self.head[0]);
        lines.extend(rest.heads(&widths));
        let mut last = "";
        for (row, of_rest) in self.rows.iter().zip(&rest.rows) {
            if !row[0].is_empty() && row[0] != last {
                lines.extend(self.alone(&row[0]));
                last = &row[0];
            }
            lines.extend(rest.row(of_rest, &widths));
        }
        Some(lines.into_iter().map(|line| line + "\n").collect())
    }

    fn alone(&self, name: &str) -> Vec<String> {
        let pieces = cut(name, WIDTH - self.indent).into_iter();
        pieces.map(|piece| finish(&format!("{}{piece}", " ".repeat(self.indent)))).collect()
    }

    fn heads(&self, widths: &[usize]) -> Vec<String> {
        let number = |kind: &Kind| if *kind == Kind::Number { Kind::Number } else { Kind::Prose };
        let kinds: Vec<Kind> = self.kinds.iter().map(number).collect();
        let lines = row_lines(&self.head, &kinds, widths, self.indent, true);
        lines.iter().map(|line| finish(line)).filter(|line| !line.is_empty()).collect()
    }

    fn row(&self, row: &[String], widths: &[usize]) -> Vec<String> {
        let lines = row_lines(row, &self.kinds, widths, self.indent, false);
        lines.iter().map(|line| finish(line)).collect()
    }

    /// Columns from the first line's start to the last one's end.
    fn total(&self, widths: &[usize]) -> usize {
        self.indent + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row[column].as_str())
    }

    /// As wide as the content if that fits.
    fn with_heads_and_prose_wrapped(&self) -> Vec<usize> {
        let of_columns =
            |width: &dyn Fn(usize) -> usize| (0..self.kinds.len()).map(width).collect::<Vec<_>>();
        let widest = |column| self.cells(column).map(|cell| cell.width()).max().unwrap_or(0);
        let head = |column: usize| self.head[column].width();
        let mut widths = of_columns(&|column| widest(column).max(head(column)));
        let prose_wrapped = of_columns(&|column| match self.kinds[column] {
            Kind::Prose => self.cells(column).map(longest_word).max().unwrap_or(0).max(head(column)).max(1),
            Kind::Name | Kind::Number => usize::MAX,
        });
        self.narrow(&mut widths, &prose_wrapped);
        let heads_wrapped = of_columns(&|column| match self.kinds[column] {
            Kind::Prose => usize::MAX,
            Kind::Name | Kind::Number => widest(column).max(longest_word(&self.head[column])),
        });
        self.narrow(&mut widths, &heads_wrapped);
        widths
    }

    /// Takes from the columns that are furthest above their floors until the row fits.
    fn narrow(&self, widths: &mut [usize], floors: &[usize]) {
        while self.total(widths) > WIDTH {
            let above = widths.iter_mut().zip(floors);
            let above = above.map(|(width, floor)| (width.saturating_sub(*floor), width));
            match above.max_by_key(|(above, _)| *above) {
                Some((1.., width)) => *width -= 1,
                _ => return,
            }
        }
    }

    /// Names, and at last numbers, are left without room in their columns.
    fn narrowest(&self) -> Vec<usize> {
        let mut widths = self.with_heads_and_prose_wrapped();
        for kind in [Kind::Name, Kind::Number] {
            while let Some(excess @ 1..) = self.total(&widths).checked_sub(WIDTH) {
                // The column that gains most for each cell that has no room in it then.
                let columns = (0..self.kinds.len()).filter(|column| self.kinds[*column] == kind);
                let next = columns.filter_map(|column| {
                    let cells = || self.cells(column).map(|cell| cell.width());
                    let smaller = cells().filter(|width| *width < widths[column]).max().unwrap_or(0);
                    let width = smaller.max(longest_word(&self.head[column])).max(1);
                    let gain = widths[column].checked_sub(width).filter(|gain| *gain > 0)?.min(excess);
                    let without_room = cells().filter(|cell| *cell > width).count();
                    Some((gain as f64 / without_room.max(1) as f64, column, width))
                });
                let Some((_, column, width)) = next.max_by(|a, b| a.0.total_cmp(&b.0)) else { break };
                widths[column] = width;
            }
        }
        widths
    }

    /// The column in the middle of the numbers.
    fn middle(&self) -> usize {
        let keys = self.keys();
        keys + (self.kinds.len() - keys).div_ceil(2)
    }

    /// The columns before the first number.
    fn keys(&self) -> usize {
        self.kinds.iter().position(|kind| *kind == Kind::Number).unwrap_or(self.kinds.len())
    }

    /// Two tables, each with the columns before the first number; `None` if one of them would have no other.
    fn cut(&self, middle: usize) -> Option<(Self, Self)> {
        let keys = self.keys();
        let part = |from: usize, to: usize| {
            let of = |row: &Vec<String>| [&row[..keys], &row[from..to]].concat();
            Self {
                kinds: [&self.kinds[..keys], &self.kinds[from..to]].concat(),
                head: of(&self.head),
                rows: self.rows.iter().map(of).collect(),
                cut_before: None,
                indent: self.indent,
            }
        };
        let columns = self.kinds.len();
        (keys < middle && middle < columns).then(|| (part(keys, middle), part(middle, columns)))
    }
}

/// A paragraph from the first column on, its further lines indented. Ends with a newline.
pub fn paragraph(text: &str) -> String {
    let mut lines = wrap(text, WIDTH);
    if lines.len() > 1 {
        let first = lines.remove(0);
        let rest = wrap(&lines.join(" "), WIDTH - INDENT).into_iter();
        lines = [first].into_iter().chain(rest.map(|line| " ".repeat(INDENT) + &line)).collect();
    }
    lines.iter().map(|line| finish(line) + "\n").collect()
}

/// As it is shown.
fn finish(line: &str) -> String {
    line.trim_end().replace(KEPT, " ")
}

/// Each cell at its column, in the first line that has room for it there; cells stay in order.
fn row_lines(row: &[String], kinds: &[Kind], widths: &[usize], indent: usize, head: bool) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut at = 0;
    let mut column_start = indent;
    for ((cell, kind), width) in row.iter().zip(kinds).zip(widths) {
        let pieces = match kind {
            _ if cell.is_empty() => Vec::new(),
            Kind::Prose => wrap(cell, *width),
            Kind::Number if head => wrap(cell, *width),
            Kind::Name | Kind::Number => cut(cell, WIDTH - indent),
        };
        for (i, piece) in pieces.iter().enumerate() {
            let start = match kind {
                Kind::Number => (column_start + width).saturating_sub(piece.width()).max(indent),
                Kind::Name | Kind::Prose => column_start,
            };
            let start = start.min(WIDTH - piece.width());
            let has_room = |line: &String| line.is_empty() || line.width() + GAP <= start;
            let line = (at + i..lines.len()).find(|line| has_room(&lines[*line]));
            let line = line.unwrap_or_else(|| {
                lines.push(String::new());
                lines.len() - 1
            });
            // The row goes on beside the first line of prose, and below a name that took more than its room.
            at = if i == 0 { line } else { at };
            let blanks = start - lines[line].width();
            lines[line].push_str(&" ".repeat(blanks));
            lines[line].push_str(piece);
        }
        column_start += width + GAP;
    }
    lines
}

/// At blanks; a word that is longer than a line alone is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let pieces = |word| cut(word, if is_too_long(word) { width } else { usize::MAX });
    for word in text.split(' ').flat_map(pieces) {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            *line = word;
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

fn cut(text: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in text.chars() {
        let piece = pieces.last_mut().expect("there is always one");
        if piece.width() + c.to_string().width() > width {
            pieces.push(c.to_string());
        } else {
            piece.push(c);
        }
    }
    pieces
}

/// Of those that stay whole.
fn longest_word(text: &str) -> usize {
    text.split(' ').filter(|word| !is_too_long(word)).map(|word| word.width()).max().unwrap_or(0)
}

/// Whether a word has no room in a line of its own.
fn is_too_long(word: &str) -> bool {
    word.width() > WIDTH - INDENT
}

#[cfg(test)]
mod tests;
