//! Rows of cells under heads, for whoever lays them out.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Name,
    /// To the right.
    Number,
    /// Wraps.
    Prose,
}

/// Each row has a cell for each head.
#[derive(Clone, Debug)]
pub struct Table {
    pub(in crate::export) kinds: Vec<Kind>,
    pub(in crate::export) head: Vec<String>,
    pub(in crate::export) rows: Vec<Vec<String>>,
    /// Where it is cut in two if it is too wide.
    pub(in crate::export) cut_before: Option<usize>,
}

impl Table {
    /// A column for each head.
    pub fn new(head: &[&str], numbers: impl IntoIterator<Item = usize>) -> Self {
        let head: Vec<String> = head.iter().map(|head| (*head).to_owned()).collect();
        let mut table =
            Self { kinds: vec![Kind::Name; head.len()], head, rows: Vec::new(), cut_before: None };
        table.set(numbers, Kind::Number);
        table
    }

    /// These columns wrap.
    pub fn prose(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.set(columns, Kind::Prose);
        self
    }

    /// Where it is cut in two if it is too wide; both parts have the columns before the first number.
    pub fn cut_before(mut self, column: usize) -> Self {
        self.cut_before = Some(column);
        self
    }

    pub fn add_row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).collect();
        row.resize(self.kinds.len(), String::new());
        self.rows.push(row);
    }

    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn set(&mut self, columns: impl IntoIterator<Item = usize>, kind: Kind) {
        for column in columns {
            if let Some(of_column) = self.kinds.get_mut(column) {
                *of_column = kind;
            }
        }
    }
}
