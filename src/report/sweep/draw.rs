//! A canvas for charts in SVG: plotters' backend with what our charts need on top: a background that does not depend on
//! the page, a name and a description for those who do not see it, and text that can do nothing but be read.

use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::visible::on_one_line;

/// What is drawn on.
pub(super) struct Canvas<'a>(DrawingArea<SVGBackend<'a>, plotters::coord::Shift>);

/// Where a text begins, across.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) anchor: Anchor,
    pub(super) weight: Weight,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Normal,
    Bold,
}

pub(super) const INK: RGBColor = RGBColor(0x1f, 0x29, 0x33);
pub(super) const MUTED: RGBColor = RGBColor(0x52, 0x60, 0x6d);
pub(super) const LINES: RGBColor = RGBColor(0xe1, 0xe5, 0xea);
/// Two of Okabe and Ito's colours, darkened until they can be read on white: told apart by all kinds of eyes.
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x62, 0x9b);
pub(super) const ORANGE: RGBColor = RGBColor(0xb8, 0x4a, 0x00);
pub(super) const FAINT: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);

/// The size of small text, in pixels.
pub(super) const SMALL: f64 = 12.0;

impl Look {
    pub(super) const fn of(color: RGBColor, anchor: Anchor) -> Self {
        Self { size: SMALL, color, anchor, weight: Weight::Normal }
    }
}

/// A chart as a document of its own.
pub(super) fn svg(size: (u32, u32), title: &str, description: &str, paint: impl FnOnce(&Canvas<'_>)) -> String {
    let mut drawn = String::new();
    {
        let canvas = Canvas(SVGBackend::with_string(&mut drawn, size).into_drawing_area());
        canvas.0.fill(&WHITE).expect(IN_MEMORY);
        paint(&canvas);
        canvas.0.present().expect(IN_MEMORY);
    }
    let mut head = String::new();
    let (title, description) = (markup(title), markup(description));
    let _ = write!(head, "<title>{title}</title>\n<desc>{description}</desc>\n");
    let drawn = drawn.replacen("<svg ", "<svg role=\"img\" ", 1);
    let (opening, rest) = drawn.split_once(">\n").unwrap_or((&drawn, ""));
    format!("{opening}>\n{head}{rest}")
}

const IN_MEMORY: &str = "a chart is drawn in memory";

impl Canvas<'_> {
    pub(super) fn text(&self, text: &str, (x, y): (f64, f64), look: Look) {
        let anchor = match look.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = match look.weight {
            Weight::Normal => FontStyle::Normal,
            Weight::Bold => FontStyle::Bold,
        };
        // The backend divides sizes by this.
        let font = FontDesc::new(FontFamily::SansSerif, look.size * 1.24, style);
        let style = TextStyle::from(font).color(&look.color).pos(Pos::new(anchor, VPos::Center));
        self.0.draw_text(&on_one_line(text), &style, pixel((x, y))).expect(IN_MEMORY);
    }

    pub(super) fn line(&self, points: &[(f64, f64)], color: RGBColor, width: u32) {
        let points: Vec<_> = points.iter().map(|point| pixel(*point)).collect();
        self.0.draw(&PathElement::new(points, color.stroke_width(width))).expect(IN_MEMORY);
    }

    /// A line down, in dashes.
    pub(super) fn dashes_down(&self, x: f64, from: f64, to: f64, color: RGBColor) {
        let mut y = from;
        while y < to {
            self.line(&[(x, y), (x, (y + 4.0).min(to))], color, 1);
            y += 8.0;
        }
    }

    pub(super) fn fill(&self, from: (f64, f64), to: (f64, f64), color: RGBColor) {
        self.0.draw(&Rectangle::new([pixel(from), pixel(to)], color.filled())).expect(IN_MEMORY);
    }

    pub(super) fn frame(&self, from: (f64, f64), to: (f64, f64), color: RGBColor, width: u32) {
        let corners = [from, (to.0, from.1), to, (from.0, to.1), from];
        self.line(&corners, color, width);
    }

    pub(super) fn dot(&self, at: (f64, f64), radius: u32, color: RGBColor) {
        self.0.draw(&Circle::new(pixel(at), radius, color.filled())).expect(IN_MEMORY);
    }

    /// A dot that is empty inside.
    pub(super) fn ring(&self, at: (f64, f64), radius: u32, color: RGBColor) {
        self.dot(at, radius, WHITE);
        self.outline(at, radius, color);
    }

    /// A circle around what is there.
    pub(super) fn outline(&self, at: (f64, f64), radius: u32, color: RGBColor) {
        self.0.draw(&Circle::new(pixel(at), radius, color.stroke_width(2))).expect(IN_MEMORY);
    }

    /// A square on its corner.
    pub(super) fn diamond(&self, (x, y): (f64, f64), radius: f64, color: RGBColor) {
        let corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)].map(pixel);
        self.0.draw(&Polygon::new(corners.to_vec(), color.filled())).expect(IN_MEMORY);
    }
}

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

/// A harmless text as markup.
fn markup(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    for c in on_one_line(text).chars() {
        match c {
            '<' => marked.push_str("&lt;"),
            '>' => marked.push_str("&gt;"),
            '&' => marked.push_str("&amp;"),
            c => marked.push(c),
        }
    }
    marked
}

/// How wide a text is about, in pixels: sans-serif fonts differ, and a wide guess keeps labels apart.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | ' ' | '/' => 0.34,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.92,
        c if c.is_ascii_uppercase() => 0.70,
        c if c.is_ascii() => 0.58,
        _ => 1.05,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// A text cut off to a width.
pub(super) fn fitted(text: &str, most: f64, size: f64) -> String {
    let text = on_one_line(text);
    if width(&text, size) <= most {
        return text;
    }
    let mut shown = String::new();
    for c in text.chars() {
        shown.push(c);
        if width(&shown, size) + size > most {
            shown.pop();
            break;
        }
    }
    shown.push('…');
    shown
}
