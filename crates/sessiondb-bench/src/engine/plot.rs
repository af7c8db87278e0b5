//! Bar charts as SVG, readable on a light and on a dark page.

use std::fmt::Write;

/// A bar: the median, between the least and the greatest of the rounds.
pub(super) struct Bar {
    pub label: String,
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
    /// Whether it is what the chart is about.
    pub ours: bool,
}

/// Bars that belong together, under a heading.
pub(super) struct Group {
    pub heading: String,
    pub bars: Vec<Bar>,
}

const WIDTH: f64 = 860.0;
/// Where bars begin; labels stand left of it.
const LEFT: f64 = 290.0;
/// The length of the longest bar; its number stands right of it.
const LENGTH: f64 = 470.0;
const ROW: f64 = 20.0;
const HEADING: f64 = 30.0;
const TOP: f64 = 62.0;

const STYLE: &str = "\
text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.note { fill: #59636e }
.heading { font-weight: 600 }
.bar { fill: #9aa4af }
.ours { fill: #1f6feb }
.spread { stroke: #1f2328; stroke-width: 1.5 }
.axis { stroke: #9aa4af; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9aa4af }
  .bar { fill: #6b7682 }
  .ours { fill: #4c8dff }
  .spread { stroke: #e6edf3 }
  .axis { stroke: #6b7682 }
}";

/// A chart. The title says what was measured; the note says the unit, and which way is better.
pub(super) fn chart(title: &str, note: &str, groups: &[Group]) -> String {
    let bars = groups.iter().flat_map(|group| &group.bars);
    let longest = bars.clone().map(|bar| bar.greatest).fold(f64::MIN_POSITIVE, f64::max);
    let scale = |value: f64| LEFT + value / longest * LENGTH;
    let height = TOP + groups.len() as f64 * HEADING + bars.count() as f64 * ROW + 10.0;

    let mut svg = String::new();
    let mut line = |text: String| {
        let _ = writeln!(svg, "{text}");
    };
    line(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">"#
    ));
    line(format!("<title>{}</title>\n<style>\n{STYLE}\n</style>", escape(title)));
    line(format!(r#"<text class="title" x="10" y="24">{}</text>"#, escape(title)));
    line(format!(r#"<text class="note" x="10" y="46">{}</text>"#, escape(note)));
    let mut y = TOP;
    for group in groups {
        let middle = y + HEADING - 9.0;
        line(format!(r#"<text class="heading" x="10" y="{middle}">{}</text>"#, escape(&group.heading)));
        y += HEADING;
        let end = y + group.bars.len() as f64 * ROW;
        for bar in &group.bars {
            let (text, centre) = (y + ROW - 6.0, y + ROW / 2.0);
            let class = if bar.ours { "bar ours" } else { "bar" };
            let (label, x) = (escape(&bar.label), LEFT - 8.0);
            line(format!(r#"<text x="{x}" y="{text}" text-anchor="end">{label}</text>"#));
            let (top, width, thick) = (y + 3.0, scale(bar.median) - LEFT, ROW - 6.0);
            line(format!(
                r#"<rect class="{class}" x="{LEFT}" y="{top}" width="{width:.1}" height="{thick}" rx="2"/>"#
            ));
            let (from, to) = (scale(bar.least), scale(bar.greatest));
            line(format!(
                r#"<line class="spread" x1="{from:.1}" y1="{centre}" x2="{to:.1}" y2="{centre}"/>"#
            ));
            let (number, x) = (number(bar.median), to + 8.0);
            line(format!(r#"<text x="{x:.1}" y="{text}">{number}</text>"#));
            y += ROW;
        }
        let start = end - group.bars.len() as f64 * ROW;
        line(format!(r#"<line class="axis" x1="{LEFT}" y1="{start}" x2="{LEFT}" y2="{end}"/>"#));
    }
    line("</svg>".to_owned());
    svg
}

/// A number as people read it: `22,637`, `8.6`.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        for (value, text) in
            [(0.04, "0.0"), (8.61, "8.6"), (123.4, "123"), (22_637.2, "22,637"), (1e6, "1,000,000")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_label_cannot_end_an_element() {
        let bar = Bar {
            label: "Mutex<Connection> & co".into(),
            median: 1.0,
            least: 1.0,
            greatest: 1.0,
            ours: false,
        };
        let svg = chart("a<b", "", &[Group { heading: "h".into(), bars: vec![bar] }]);
        assert!(svg.contains("Mutex&lt;Connection&gt; &amp; co") && svg.contains("<title>a&lt;b</title>"));
    }
}
