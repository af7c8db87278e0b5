//! [`Table`]: columns of text for a reader.

use std::{io, mem};

use comfy_table::{CellAlignment, ColumnConstraint, Width, presets};
use owo_colors::Style;

use crate::{
    output::{Line, Output},
    visible::visible_line,
};

/// Spaces between two columns.
const GAP: u16 = 2;

/// Rows of `N` cells under a header. Cells are made harmless and stay on their line. A long table is printed in
/// parts: a column is as wide as its widest cell so far.
pub struct Table<const N: usize> {
    header: [&'static str; N],
    right_aligned: &'static [usize],
    rows: Vec<[String; N]>,
    widths: [u16; N],
    header_printed: bool,
}

impl<const N: usize> Table<N> {
    /// A table with this header and no rows yet.
    pub fn new(header: [&'static str; N]) -> Table<N> {
        Table { header, right_aligned: &[], rows: Vec::new(), widths: [0; N], header_printed: false }
    }

    /// With numbers in these columns.
    pub fn right_aligned(self, columns: &'static [usize]) -> Table<N> {
        Table { right_aligned: columns, ..self }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(|cell| visible_line(cell).into_owned()));
    }

    /// Prints the rows that were added since the last time, the first time under the header.
    pub fn print(&mut self, out: &mut Output) -> io::Result<()> {
        let lines = self.lines();
        for (header, line) in lines {
            let style = if header { Style::new().bold() } else { Style::new() };
            out.line(&Line::new().styled(style, line))?;
        }
        Ok(())
    }

    /// The lines to print now, the header marked.
    fn lines(&mut self) -> Vec<(bool, String)> {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(self.header.to_vec())
            .add_rows(mem::take(&mut self.rows));
        for (column, width) in table.column_iter_mut().zip(&mut self.widths) {
            let right = self.right_aligned.contains(&column.index);
            column.set_cell_alignment(if right { CellAlignment::Right } else { CellAlignment::Left });
            column.set_padding((0, GAP));
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width + GAP)));
        }
        for (width, content) in self.widths.iter_mut().zip(table.column_max_content_widths()) {
            *width = content.max(*width);
        }
        let headed = !mem::replace(&mut self.header_printed, true);
        let lines = table.lines().enumerate().map(|(i, line)| (i == 0, line.trim_end().to_owned()));
        lines.skip(usize::from(!headed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_where_they_are_from_part_to_part() {
        let mut table = Table::new(["KEY", "COUNT", "WHAT"]).right_aligned(&[1]);
        table.row(["a-long-key", "7", "one\x1b[2J"]);
        let first: Vec<_> = table.lines();
        table.row(["b", "12", "two\nlines"]);
        table.row(["名前", "1234567", ""]);
        let second: Vec<_> = table.lines();
        let texts = |lines: Vec<(bool, String)>| lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>();
        assert!(first[0].0 && !first[1].0 && !second[0].0);
        assert_eq!(texts(first), ["KEY         COUNT  WHAT", r"a-long-key      7  one\u{1b}[2J"]);
        assert_eq!(texts(second), ["b                12  two\\nlines", "名前        1234567"]);
    }

    #[test]
    fn without_rows_there_is_only_the_header() {
        assert_eq!(Table::new(["AT", "WHAT"]).lines(), [(true, "AT  WHAT".to_owned())]);
    }
}
