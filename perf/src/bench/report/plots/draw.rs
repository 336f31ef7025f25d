//! Lines and bars on white, drawn by hand: a title, a line under it, a legend, axes with round numbers.
//!
//! ```text
//!   [lines]: title · words · legend            [bars]: title · words
//!            │ ticks ── series                         group   series ███████ value
//!            └───────────── x
//! ```
//! Shape:  SVG, 760 points wide; fonts of the reader's.
//! Units:  those of the axes' words.
//! Errors: text of the drawing library.
//! Not here: which figures (`plots`).

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub const OURS: RGBColor = RGBColor(20, 90, 170);
pub const PALE: RGBColor = RGBColor(130, 180, 230);
pub const PEER: RGBColor = RGBColor(215, 115, 25);
pub const BARE: RGBColor = RGBColor(150, 150, 150);
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(110, 110, 110);
const GRID: RGBColor = RGBColor(225, 225, 225);

const WIDTH: i32 = 760;
const HEIGHT: i32 = 400;
const FONT: &str = "sans-serif";
/// Where the lines are: left, top, right, bottom.
const FIELD: [i32; 4] = [66, 92, WIDTH - 24, HEIGHT - 48];
/// More points than this are a curve, and have no marks.
const MARKED_MAX: usize = 14;

/// Name, colour and points, from the left.
pub type Line<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// One direction of a chart.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What it is, with its unit.
    pub name: String,
    pub from: f64,
    pub to: f64,
    /// In powers of ten; `from` must be more than 0 then.
    pub is_log: bool,
    /// After each number.
    pub unit: &'static str,
}

impl Axis {
    /// From nothing to a little more than `most`.
    pub fn linear(name: &str, most: f64) -> Self {
        Self { name: name.to_owned(), from: 0.0, to: most.max(1e-3) * 1.06, is_log: false, unit: "" }
    }

    /// Powers of ten.
    pub fn log(name: &str, from: f64, to: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), from, to: to.max(from * 10.0), is_log: true, unit }
    }

    /// Where a value is, 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let of = |value: f64| if self.is_log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        ((of(value) - of(self.from)) / (of(self.to) - of(self.from))).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let decades = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
            // Where there are few tens, what is between them too.
            let between: &[f64] = if self.to / self.from < 3000.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let all = decades.flat_map(|tens| between.iter().map(move |times| times * 10_f64.powi(tens)));
            return all.filter(|tick| (self.from * 0.999..=self.to * 1.001).contains(tick)).collect();
        }
        let rough = (self.to - self.from) / 6.0;
        let tens = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|round| round * tens).find(|step| *step >= rough).unwrap_or(rough);
        (0..20).map(|n| self.from + f64::from(n) * step).filter(|tick| *tick <= self.to).collect()
    }

    fn words(&self, tick: f64) -> String {
        format!("{}{}", number(tick), self.unit)
    }
}

/// A number as it is said: no more digits than it needs.
pub fn number(value: f64) -> String {
    let places = if value == 0.0 || value.abs() >= 100.0 { 0 } else { 2 - value.abs().log10().floor() as i32 };
    let scale = 10_f64.powi(places.clamp(0, 6));
    ((value * scale).round() / scale).to_string()
}

fn style(size: i32, colour: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour).pos(Pos::new(h, v))
}

/// Room that words take, near enough.
fn room(words: &str, size: i32) -> i32 {
    i32::try_from(words.chars().count()).unwrap_or(0) * size * 55 / 100
}

/// A chart of lines.
///
/// # Errors
/// The drawing library's, as text.
pub fn lines(title: &str, x: &Axis, y: &Axis, lines: &[Line<'_>]) -> Result<String, String> {
    let [left, top, right, bottom] = FIELD;
    let at = |(a, b): (f64, f64)| {
        let across = left + (x.place(a) * f64::from(right - left)).round() as i32;
        (across, bottom - (y.place(b) * f64::from(bottom - top)).round() as i32)
    };
    let said = |error: DrawingAreaErrorKind<_>| error.to_string();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, HEIGHT as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(said)?;
        let text =
            |words: &str, at: (i32, i32), style: TextStyle<'static>| area.draw(&Text::new(words.to_owned(), at, style)).map_err(said);
        let path = |points: Vec<(i32, i32)>, style: ShapeStyle| area.draw(&PathElement::new(points, style)).map_err(said);
        text(title, (16, 14), style(18, INK, HPos::Left, VPos::Top))?;
        text(&y.name, (16, 40), style(13, FAINT, HPos::Left, VPos::Top))?;
        for tick in y.ticks() {
            let (_, height) = at((x.from, tick));
            path(vec![(left, height), (right, height)], GRID.stroke_width(1))?;
            text(&y.words(tick), (left - 8, height), style(12, INK, HPos::Right, VPos::Center))?;
        }
        for tick in x.ticks() {
            let (across, _) = at((tick, y.from));
            path(vec![(across, bottom), (across, bottom + 5)], INK.stroke_width(1))?;
            text(&x.words(tick), (across, bottom + 9), style(12, INK, HPos::Center, VPos::Top))?;
        }
        path(vec![(left, bottom), (right, bottom)], INK.stroke_width(1))?;
        text(&x.name, (right, bottom + 28), style(13, FAINT, HPos::Right, VPos::Top))?;
        let mut legend = left;
        for (name, colour, points) in lines {
            area.draw(&Rectangle::new([(legend, 69), (legend + 18, 73)], colour.filled())).map_err(said)?;
            text(name, (legend + 24, 71), style(13, INK, HPos::Left, VPos::Center))?;
            legend += 24 + room(name, 13) + 26;
            let points: Vec<(i32, i32)> = points.iter().map(|point| at(*point)).collect();
            if points.len() <= MARKED_MAX {
                for point in &points {
                    let size = if points.len() == 1 { 6 } else { 4 };
                    area.draw(&Circle::new(*point, size, colour.filled())).map_err(said)?;
                }
            }
            path(points, colour.stroke_width(2))?;
        }
        area.present().map_err(said)?;
    }
    Ok(svg)
}

/// A bar: its words, its value, what to say of it, and its colour.
pub type Bar = (String, f64, String, RGBColor);

/// Bars under each other in groups with a name each, from nothing to the longest.
///
/// # Errors
/// The drawing library's, as text.
pub fn bars(title: &str, words: &str, groups: &[(String, Vec<Bar>)]) -> Result<String, String> {
    const ROW: i32 = 22;
    const GAP: i32 = 12;
    const LEFT: i32 = 320;
    let count = groups.iter().map(|(_, bars)| i32::try_from(bars.len()).unwrap_or(0) * ROW + GAP).sum::<i32>();
    let said = |error: DrawingAreaErrorKind<_>| error.to_string();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, (70 + count) as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(said)?;
        let text =
            |words: &str, at: (i32, i32), style: TextStyle<'static>| area.draw(&Text::new(words.to_owned(), at, style)).map_err(said);
        text(title, (16, 14), style(18, INK, HPos::Left, VPos::Top))?;
        text(words, (16, 40), style(13, FAINT, HPos::Left, VPos::Top))?;
        let most = groups.iter().flat_map(|(_, bars)| bars).map(|bar| bar.1).fold(f64::MIN_POSITIVE, f64::max);
        let mut top = 68;
        for (name, bars) in groups {
            text(name, (16, top + ROW / 2 - 2), style(14, INK, HPos::Left, VPos::Center))?;
            for (series, value, told, colour) in bars {
                let (middle, length) = (top + ROW / 2 - 2, ((value / most) * 290.0).round().max(1.0) as i32);
                text(series, (LEFT - 8, middle), style(13, FAINT, HPos::Right, VPos::Center))?;
                area.draw(&Rectangle::new([(LEFT, top), (LEFT + length, top + ROW - 5)], colour.filled())).map_err(said)?;
                text(told, (LEFT + length + 7, middle), style(13, INK, HPos::Left, VPos::Center))?;
                top += ROW;
            }
            top += GAP;
        }
        area.present().map_err(said)?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(Axis::linear("", 2000.0).ticks(), [0.0, 500.0, 1000.0, 1500.0, 2000.0]);
        assert_eq!(Axis::log("", 0.02, 100.0, "").ticks(), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(Axis::log("", 100.0, 2000.0, "").ticks(), [100.0, 200.0, 500.0, 1000.0, 2000.0]);
        assert_eq!((Axis::log("", 0.01, 100.0, "").place(1.0), Axis::linear("", 100.0).place(1e9)), (0.5, 1.0));
    }

    #[test]
    fn numbers_have_three_digits_or_their_own() {
        assert_eq!([0.0, 0.01, 1.234, 16.06, 308_133.0].map(number), ["0", "0.01", "1.23", "16.1", "308133"]);
    }
}
