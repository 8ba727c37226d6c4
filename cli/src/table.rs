//! Aligned columns.

use std::fmt::Display;

use crate::paint::Paint;

/// Which side of its column a text stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// How a cell looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tone {
    #[default]
    Plain,
    Odd,
    Bad,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell that shows nothing to show as a dash.
    pub(crate) fn maybe<T: Display>(value: Option<T>) -> Self {
        value.map_or_else(|| Self::from("-"), |value| Self::from(value.to_string()))
    }

    /// Something to notice, if it is.
    pub(crate) fn odd_if(mut self, odd: bool) -> Self {
        if odd {
            self.tone = Tone::Odd;
        }
        self
    }

    /// Something to worry about, if it is.
    pub(crate) fn bad_if(mut self, bad: bool) -> Self {
        if bad {
            self.tone = Tone::Bad;
        }
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Plain,
        }
    }
}

/// A cell that shows a value.
pub(crate) fn cell(value: impl Display) -> Cell {
    Cell::from(value.to_string())
}

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns; those whose name starts with `>` hold numbers.
    pub(crate) fn new<const N: usize>(columns: [&'static str; N]) -> Self {
        let columns = columns.map(|name| match name.strip_prefix('>') {
            Some(name) => (name, Align::Right),
            None => (name, Align::Left),
        });
        Self {
            columns: columns.to_vec(),
            rows: vec![],
        }
    }

    /// Adds a row: a cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.into());
    }

    /// The table as text; `none` when it has no rows.
    pub(crate) fn render(&self, paint: Paint, none: &str) -> String {
        if self.rows.is_empty() {
            return format!("{none}\n");
        }
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let head = self.columns[column].0.chars().count();
                let cells = self.rows.iter().map(|row| row[column].text.chars().count());
                cells.fold(head, usize::max)
            })
            .collect();
        let mut out = String::new();
        let heads: Vec<Cell> = self
            .columns
            .iter()
            .map(|(name, _)| Cell::from(*name))
            .collect();
        self.line(&mut out, &heads, &widths, |cell| paint.head(&cell.text));
        for row in &self.rows {
            self.line(&mut out, row, &widths, |cell| match cell.tone {
                Tone::Plain => cell.text.clone(),
                Tone::Odd => paint.odd(&cell.text),
                Tone::Bad => paint.bad(&cell.text),
            });
        }
        out
    }

    fn line(
        &self,
        out: &mut String,
        cells: &[Cell],
        widths: &[usize],
        look: impl Fn(&Cell) -> String,
    ) {
        let last = cells
            .iter()
            .rposition(|cell| !cell.text.is_empty())
            .unwrap_or(0);
        for (column, cell) in cells.iter().enumerate().take(last + 1) {
            // Padding stands outside the colour, and never at the end of a line.
            let padding = " ".repeat(widths[column] - cell.text.chars().count());
            match self.columns[column].1 {
                Align::Right => out.extend([padding.as_str(), &look(cell)]),
                Align::Left if column == last => out.push_str(&look(cell)),
                Align::Left => out.extend([&look(cell), padding.as_str()]),
            }
            if column < last {
                out.push_str("  ");
            }
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name", ">count", "note"]);
        table.row([cell("lan"), cell(7), Cell::from("")]);
        table.row([
            cell("größer"),
            cell(12345).bad_if(true),
            cell("x").odd_if(false),
        ]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        assert_eq!(
            table().render(Paint::plain(), "nothing"),
            "name    count  note\nlan         7\ngrößer  12345  x\n"
        );
    }

    #[test]
    fn colour_does_not_disturb_the_alignment() {
        let painted = table().render(Paint::colour(), "nothing");
        assert!(painted.contains("\x1b[31m12345\x1b[0m"), "{painted:?}");
        let mut bare = painted;
        for code in ["\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[0m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, table().render(Paint::plain(), "nothing"));
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(
            Table::new(["a"]).render(Paint::plain(), "no routes"),
            "no routes\n"
        );
    }
}
