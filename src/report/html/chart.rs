//! Charts as SVG, drawn by plotters, each in two shapes: wide for desks and paper, narrow for phones, because text that is
//! scaled down with its picture cannot be read.
//!
//! What is drawn is numbers and words of ours; names are in the legend and the table, which are text. Colours are drawn as
//! marks that no eye sees and become variables of the style sheet, so that one picture suits light and dark.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::view::{Drawing, Tone};

/// Width and height of the two shapes.
const WIDE: (u32, u32) = (760, 300);
const NARROW: (u32, u32) = (340, 260);

/// Height of a row of bars, and where its text stands.
const ROW: u32 = 30;

/// What each tone is drawn as, until it becomes a variable of the style sheet.
const MARK: u8 = 0xC5;

/// Text is drawn at 1 / 1.24 of what plotters calls its size.
const TEXT: f64 = 15.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Tone {
    fn color(self) -> RGBColor {
        RGBColor(MARK, self as u8, MARK)
    }
}

/// Draws both shapes; `what` is told of which it is.
fn both(heights: [u32; 2], draw: impl Fn(&Area<'_>, Shape) -> Result<Plot, Trouble>) -> Drawing {
    let one = |shape: Shape, height: u32| {
        let mut svg = String::new();
        let size = (shape.width(), height);
        let plot = {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let plot = draw(&area, shape).expect("a string takes everything that is drawn");
            area.present().expect("a string takes everything that is drawn");
            plot
        };
        (inside(&svg), size, [plot.left, plot.right])
    };
    let (wide, wide_size, wide_plot) = one(Shape::Wide, heights[0]);
    let (narrow, narrow_size, narrow_plot) = one(Shape::Narrow, heights[1]);
    Drawing { wide, wide_size, wide_plot, narrow, narrow_size, narrow_plot }
}

type Trouble = DrawingAreaErrorKind<std::io::Error>;

/// Where the values are drawn, from the left.
struct Plot {
    left: i32,
    right: i32,
}

/// The two shapes of a chart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Wide,
    Narrow,
}

impl Shape {
    const fn width(self) -> u32 {
        match self {
            Self::Wide => WIDE.0,
            Self::Narrow => NARROW.0,
        }
    }

    const fn ticks(self) -> usize {
        match self {
            Self::Wide => 7,
            Self::Narrow => 4,
        }
    }
}

/// What is inside of a drawn picture, its marks as variables of the style sheet.
fn inside(svg: &str) -> String {
    let from = svg.find('>').map_or(0, |at| at + 1);
    let until = svg.rfind("</svg>").unwrap_or(svg.len());
    let mut text = svg[from..until].replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "");
    for tone in Tone::ALL {
        let RGBColor(r, g, b) = tone.color();
        text = text.replace(&format!("#{r:02X}{g:02X}{b:02X}"), &format!("var(--{})", tone.name()));
    }
    text.replace(" font-family=\"sans-serif\"", "").replace('\n', "")
}

// === Over an axis ===

/// Numbers in their order, under an axis that goes from 0 to 1.
pub(super) struct Series {
    /// In which tone.
    pub(super) tone: Tone,
    /// Where, and how much.
    pub(super) points: Vec<[f64; 2]>,
}

/// An axis: how far it goes, where it has ticks, and what they say.
pub(super) struct Axis<'a> {
    /// The largest value.
    pub(super) most: f64,
    /// What a value is called.
    pub(super) said: &'a dyn Fn(f64) -> String,
}

/// Ticks of an axis from 0 to 1, and what they say.
pub(super) type Ticks = Vec<(f64, String)>;

/// Columns that stand on each other, one for each step; the series are in the order of the stack.
pub(super) fn stacked(series: &[Series], ticks: &Ticks, axis: &Axis<'_>) -> Drawing {
    both([WIDE.1, NARROW.1], |area, shape| {
        let frame = Frame::of(area, shape, ticks, axis)?;
        let steps = series.first().map_or(0, |series| series.points.len());
        let mut below = vec![0.0; steps];
        for series in series {
            // The border of a step: up to the next one, so that what happened within is as wide as it was long.
            let (mut upper, mut lower) = (Vec::new(), Vec::new());
            for (nth, [at, value]) in series.points.iter().enumerate() {
                let until = series.points.get(nth + 1).map_or(1.0, |[next, _]| *next);
                let top = below[nth] + value;
                upper.extend([frame.at(*at, top), frame.at(until, top)]);
                lower.extend([frame.at(*at, below[nth]), frame.at(until, below[nth])]);
                below[nth] = top;
            }
            lower.reverse();
            upper.extend(lower);
            if series.points.iter().any(|[_, value]| *value > 0.0) {
                area.draw(&Polygon::new(upper, series.tone.color().filled()))?;
            }
        }
        Ok(frame.plot)
    })
}

/// Lines with a dot at each value.
pub(super) fn lines(series: &[Series], ticks: &Ticks, axis: &Axis<'_>) -> Drawing {
    both([WIDE.1, NARROW.1], |area, shape| {
        let frame = Frame::of(area, shape, ticks, axis)?;
        for series in series {
            let points: Vec<_> = series.points.iter().map(|[at, value]| frame.at(*at, *value)).collect();
            area.draw(&PathElement::new(points.clone(), series.tone.color().stroke_width(2)))?;
            // Of a line of many values the dots would hide the line.
            for point in points.iter().filter(|_| points.len() <= 20) {
                area.draw(&Circle::new(*point, 3, series.tone.color().filled()))?;
            }
        }
        Ok(frame.plot)
    })
}

/// The frame of a chart: where values are.
struct Frame {
    plot: Plot,
    top: i32,
    bottom: i32,
    most: f64,
}

impl Frame {
    /// Draws the axes.
    fn of(area: &Area<'_>, shape: Shape, ticks: &Ticks, axis: &Axis<'_>) -> Result<Self, Trouble> {
        let (width, height) = area.dim_in_pixel();
        let steps = nice(axis.most, if shape == Shape::Wide { 5 } else { 4 });
        let said: Vec<_> = steps.iter().map(|step| (axis.said)(*step)).collect();
        // What plotters estimates of text is crude; a digit is a little more than half as wide as it is high.
        let longest = said.iter().map(|said| said.chars().count()).max().unwrap_or(0) as i32;
        let plot = Plot { left: 14 + longest * 8, right: width as i32 - 12 };
        let most = steps.last().copied().unwrap_or(1.0).max(axis.most);
        let frame = Self { plot, top: 10, bottom: height as i32 - 30, most };
        let style = text(Tone::Text);
        for (step, said) in steps.iter().zip(&said) {
            let [(left, y), (right, _)] = [frame.at(0.0, *step), frame.at(1.0, *step)];
            let tone = if *step == 0.0 { Tone::Axis } else { Tone::Grid };
            area.draw(&PathElement::new(vec![(left, y), (right, y)], tone.color()))?;
            area.draw(&Text::new(said.clone(), (left - 6, y), style.pos(Pos::new(HPos::Right, VPos::Center))))?;
        }
        let every = ticks.len().div_ceil(shape.ticks()).max(1);
        for (at, said) in ticks.iter().step_by(every) {
            let (x, y) = frame.at(*at, 0.0);
            area.draw(&PathElement::new(vec![(x, y), (x, y + 5)], Tone::Axis.color()))?;
            let side = match *at {
                at if at < 0.04 => HPos::Left,
                at if at > 0.96 => HPos::Right,
                _ => HPos::Center,
            };
            area.draw(&Text::new(said.clone(), (x, y + 8), style.pos(Pos::new(side, VPos::Top))))?;
        }
        Ok(frame)
    }

    fn at(&self, along: f64, value: f64) -> (i32, i32) {
        let x = f64::from(self.plot.left) + along * f64::from(self.plot.right - self.plot.left);
        let y = f64::from(self.bottom) - value / self.most * f64::from(self.bottom - self.top);
        (x.round() as i32, y.round() as i32)
    }
}

fn text(tone: Tone) -> TextStyle<'static> {
    TextStyle { color: tone.color().to_backend_color(), ..TextStyle::from(("sans-serif", TEXT).into_font()) }
}

/// Steps of 1, 2 or 5 in their order, from 0 until they cover the largest value, some `count` of them.
fn nice(most: f64, count: u32) -> Vec<f64> {
    if most <= 0.0 {
        return vec![0.0, 1.0];
    }
    let rough = most / f64::from(count);
    // The same bits on every platform.
    let power = libm::pow(10.0, libm::log10(rough).floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|of| of * power).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let steps = (most / step).ceil() as u32;
    (0..=steps).map(|nth| f64::from(nth) * step).collect()
}

// === Rows ===

/// A row of a chart: a label, and one bar or several that follow each other.
pub(super) struct Bar {
    /// What it is, in few words.
    pub(super) label: String,
    /// Where it begins.
    pub(super) from: f64,
    /// What it is made of, from there on; below zero to the left.
    pub(super) parts: Vec<(Tone, f64)>,
    /// What the figure says.
    pub(super) figure: String,
}

impl Bar {
    fn end(&self) -> f64 {
        self.from + self.parts.iter().map(|(_, part)| part).sum::<f64>()
    }
}

/// Whether the end of a row is where the next one begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    Apart,
    Steps,
}

/// Rows under each other: label, bar, figure.
pub(super) fn rows(rows: &[Bar]) -> Drawing {
    bars(rows, Rows::Apart)
}

/// Rows that are steps: each begins where the one above it has ended, and a line leads there.
pub(super) fn waterfall(steps: &[Bar]) -> Drawing {
    bars(steps, Rows::Steps)
}

fn bars(rows: &[Bar], are: Rows) -> Drawing {
    let count = rows.len() as u32;
    both([count * ROW + 8, count * (ROW + 14) + 8], |area, shape| {
        let width = area.dim_in_pixel().0 as i32;
        let ends = rows.iter().flat_map(|row| {
            let mut at = row.from;
            std::iter::once(row.from).chain(row.parts.iter().map(move |(_, part)| {
                at += part;
                at
            }))
        });
        let (least, most) = ends.fold((0.0_f64, 0.0_f64), |(least, most), end| (least.min(end), most.max(end)));
        let longest =
            |text: fn(&Bar) -> &str| rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0) as i32;
        let (label, figure) = (longest(|row| &row.label) * 7 + 12, longest(|row| &row.figure) * 8 + 10);
        // On a phone the label is above its bar.
        let left = if shape == Shape::Wide { label.min(300) } else { 4 };
        let plot = Plot { left, right: width - figure.min(width / 2) };
        let scale = f64::from(plot.right - plot.left) / (most - least).max(f64::MIN_POSITIVE);
        let x = |value: f64| (f64::from(plot.left) + (value - least) * scale).round() as i32;
        for (nth, row) in (0..).zip(rows) {
            let (top, middle) = match shape {
                Shape::Wide => (nth * ROW as i32 + 6, nth * ROW as i32 + 6 + 10),
                Shape::Narrow => (nth * (ROW as i32 + 14) + 22, nth * (ROW as i32 + 14) + 22 + 10),
            };
            let label = match shape {
                Shape::Wide => ((left - 8, middle), Pos::new(HPos::Right, VPos::Center)),
                Shape::Narrow => ((left, top - 3), Pos::new(HPos::Left, VPos::Bottom)),
            };
            area.draw(&Text::new(row.label.clone(), label.0, text(Tone::Text).pos(label.1)))?;
            let mut at = row.from;
            let mut end = x(at);
            for (tone, part) in &row.parts {
                let (from, until) = (x(at), x(at + part));
                // What is there at all is seen.
                let until = if from == until && *part != 0.0 { until + 1 } else { until };
                if from != until {
                    let corners = [(from.min(until), top), (from.max(until), top + 20)];
                    area.draw(&Rectangle::new(corners, tone.color().filled()))?;
                }
                at += part;
                end = end.max(from).max(until);
            }
            // On a phone there are labels between the bars.
            if are == Rows::Steps && shape == Shape::Wide && nth + 1 < count as i32 {
                let level = x(row.end());
                area.draw(&PathElement::new(vec![(level, top + 20), (level, top + ROW as i32)], Tone::Axis.color()))?;
            }
            let style = text(Tone::Text).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(row.figure.clone(), (end + 6, middle), style))?;
        }
        if least < 0.0 {
            let bottom = area.dim_in_pixel().1 as i32;
            area.draw(&PathElement::new(vec![(x(0.0), 0), (x(0.0), bottom)], Tone::Axis.color()))?;
        }
        Ok(plot)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_few_ticks_and_covers_its_values() {
        assert_eq!(nice(0.0, 5), [0.0, 1.0]);
        assert_eq!(nice(97.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(nice(0.031, 5).len(), 5);
        for most in [1e-9, 0.3, 1.0, 7.0, 999.0, 1e18] {
            let steps = nice(most, 5);
            assert!(steps.len() <= 7 && *steps.last().unwrap() >= most * 0.999_999, "{most}: {steps:?}");
        }
    }

    /// A colour that is written out would suit one theme alone; and what plotters writes must not end the picture.
    #[test]
    fn a_drawing_has_variables_for_colours_and_its_text_is_escaped() {
        let bar = |label: &str| Bar {
            label: label.to_owned(),
            from: 0.0,
            parts: vec![(Tone::Served, 3.0), (Tone::Refused, 1.0)],
            figure: "4".to_owned(),
        };
        let drawn = rows(&[bar("</svg><script>\"'&"), bar("b")]);
        for svg in [&drawn.wide, &drawn.narrow] {
            assert!(!svg.contains('#') && svg.contains("fill=\"var(--served)\""), "{svg}");
            assert!(!svg.contains("<script") && svg.contains("&lt;/svg&gt;&lt;script&gt;&quot;&apos;&amp;"), "{svg}");
        }
    }
}
