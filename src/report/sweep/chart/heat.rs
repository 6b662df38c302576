//! Two keys: a cell for each pair of values, coloured by one figure.

use std::collections::BTreeMap;

use plotters::style::{BLACK, WHITE};

use super::super::draw::{Anchor, Canvas, INK, LINES, Look, MUTED, SMALL, fitted, svg, width};
use super::super::scale::{Map, Scale, labels, readable_on, short};
use super::super::thinned;
use super::{Figure, WIDTH, headed, spaced};
use crate::sweep::Sweep;

/// Cells beyond these are left out, evenly: they would be less than a few pixels.
const ACROSS_MAX: usize = 180;
const DOWN_MAX: usize = 90;

const TOP: f64 = 92.0;
/// Between the cells and the right edge: the bar of colours and its labels.
const BAR: f64 = 118.0;
const RIGHT: f64 = WIDTH - BAR;

/// Where the cells are.
struct Layout {
    /// The axis that goes across, and the one that goes down.
    across: usize,
    down: usize,
    columns: Vec<usize>,
    rows: Vec<usize>,
    left: f64,
    cell: (f64, f64),
}

impl Layout {
    fn new(sweep: &Sweep) -> Self {
        let is_wider = sweep.axes[1].values.len() > sweep.axes[0].values.len();
        let (across, down) = if is_wider { (1, 0) } else { (0, 1) };
        let columns = thinned(sweep.axes[across].values.len(), ACROSS_MAX);
        let rows = thinned(sweep.axes[down].values.len(), DOWN_MAX);
        let longest = rows.iter().map(|&at| width(&sweep.axes[down].values[at].text, SMALL)).fold(30.0, f64::max);
        let left = 30.0 + longest.min(150.0);
        let cell_across = (RIGHT - left) / columns.len() as f64;
        let cell_down = (300.0 / rows.len() as f64).clamp(4.0, 46.0);
        Self { across, down, columns, rows, left, cell: (cell_across, cell_down) }
    }

    fn bottom(&self) -> f64 {
        TOP + self.cell.1 * self.rows.len() as f64
    }

    /// The corners of a cell, by column and row.
    fn corners(&self, column: usize, row: usize) -> ((f64, f64), (f64, f64)) {
        let at = |column: usize, row: usize| (self.left + self.cell.0 * column as f64, TOP + self.cell.1 * row as f64);
        (at(column, row), at(column + 1, row + 1))
    }

    /// Where on it a point is, if it is shown.
    fn place(&self, at: &[usize]) -> Option<((f64, f64), (f64, f64))> {
        let column = self.columns.iter().position(|column| *column == at[self.across])?;
        let row = self.rows.iter().position(|row| *row == at[self.down])?;
        // What grows, grows upwards.
        Some(self.corners(column, self.rows.len() - 1 - row))
    }
}

/// The map of one figure.
pub(super) fn heat(sweep: &Sweep, figure: Figure) -> String {
    let layout = Layout::new(sweep);
    let [across, down] = [layout.across, layout.down].map(|axis| &sweep.axes[axis].path);
    let title = figure.title(sweep);
    let ends = |which: &dyn Fn(f64, f64) -> bool| {
        let first = sweep
            .points
            .iter()
            .reduce(|best, point| if which(figure.of(sweep, point), figure.of(sweep, best)) { point } else { best });
        first.map_or_else(String::new, |point| {
            format!("{} at {}", short(figure.of(sweep, point), figure.told(sweep)), super::values(sweep, point))
        })
    };
    let (least, most) = (ends(&|a, b| a < b), ends(&|a, b| a > b));
    let is_thinned = layout.rows.len() * layout.columns.len() < sweep.planned;
    let thin = if is_thinned { "; not every value has a cell" } else { "" };
    let description = format!("{across} across, {down} up; from {least} to {most}{thin}");
    let size = (WIDTH as u32, (layout.bottom() + 92.0) as u32);
    svg(size, &title, &description, |canvas| {
        headed(canvas, &title, sweep);
        cells(canvas, sweep, figure, &layout);
        axes(canvas, sweep, &layout);
        marks(canvas, sweep, &layout);
    })
}

fn cells(canvas: &Canvas<'_>, sweep: &Sweep, figure: Figure, layout: &Layout) {
    let figures = || sweep.points.iter().map(|point| figure.of(sweep, point));
    let (low, high) = (figures().fold(f64::INFINITY, f64::min), figures().fold(f64::NEG_INFINITY, f64::max));
    let spread = if high > low { high - low } else { 1.0 };
    let map = if figure == Figure::Earned { Map::Viridis } else { Map::Cividis };
    canvas.fill((layout.left, TOP), (RIGHT, layout.bottom()), LINES);
    let texts: BTreeMap<&[usize], String> =
        sweep.points.iter().map(|it| (it.at.as_slice(), short(figure.of(sweep, it), figure.told(sweep)))).collect();
    let widest = texts.values().map(|text| width(text, SMALL)).fold(0.0, f64::max);
    let has_texts = widest + 10.0 <= layout.cell.0 && layout.cell.1 >= 20.0;
    for point in &sweep.points {
        let Some((from, to)) = layout.place(&point.at) else { continue };
        let color = map.color((figure.of(sweep, point) - low) / spread);
        canvas.fill(from, to, color);
        if has_texts {
            let middle = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
            canvas.text(&texts[point.at.as_slice()], middle, Look::of(readable_on(color), Anchor::Middle));
        }
    }
    // The bar.
    let (x, top, bottom) = (RIGHT + 20.0, TOP, layout.bottom().max(TOP + 110.0));
    let count = 64;
    let step = (bottom - top) / f64::from(count);
    for at in 0..count {
        let y = bottom - step * f64::from(at + 1);
        canvas.fill(
            (x, y),
            (x + 14.0, y + step + 0.5),
            map.color(if high > low { f64::from(at) / f64::from(count - 1) } else { 0.0 }),
        );
    }
    let told = figure.told(sweep);
    // Where all cells are alike, the bar has their one figure and no scale around it.
    let scale = if high > low {
        Scale { low, high, from: bottom, to: top }
    } else {
        Scale { low: low - 1.0, high: high + 1.0, from: bottom, to: top }
    };
    let ticks = if high > low { scale.ticks(((bottom - top) / 45.0).max(2.0) as u32) } else { vec![low] };
    let labels = if high > low { labels(&ticks, told) } else { vec![short(low, told)] };
    for (tick, label) in ticks.iter().zip(labels) {
        let y = scale.at(*tick);
        canvas.line(&[(x + 14.0, y), (x + 18.0, y)], MUTED, 1);
        canvas.text(&label, (x + 22.0, y), Look::of(MUTED, Anchor::Start));
    }
}

fn axes(canvas: &Canvas<'_>, sweep: &Sweep, layout: &Layout) {
    let [across, down] = [layout.across, layout.down].map(|axis| &sweep.axes[axis]);
    let (left, right, bottom) = (layout.left, RIGHT, layout.bottom());
    let place = |(nth, at): (usize, &usize)| {
        let (from, to) = layout.corners(nth, 0);
        (f64::midpoint(from.0, to.0), fitted(&across.values[*at].text, 110.0, SMALL))
    };
    for (x, label) in spaced(layout.columns.iter().enumerate().map(place), SMALL) {
        canvas.text(&label, (x, bottom + 15.0), Look::of(MUTED, Anchor::Middle));
    }
    let mut free_from = f64::NEG_INFINITY;
    for (nth, at) in layout.rows.iter().rev().enumerate() {
        let (from, to) = layout.corners(0, nth);
        let y = f64::midpoint(from.1, to.1);
        if y - SMALL / 2.0 >= free_from {
            free_from = y + SMALL;
            let label = fitted(&down.values[*at].text, 150.0, SMALL);
            canvas.text(&label, (left - 8.0, y), Look::of(MUTED, Anchor::End));
        }
    }
    let across_path = fitted(&across.path, right - left, SMALL);
    canvas.text(&across_path, (f64::midpoint(left, right), bottom + 36.0), Look::of(INK, Anchor::Middle));
    canvas.text(&fitted(&down.path, WIDTH - 60.0, SMALL), (20.0, TOP - 16.0), Look::of(INK, Anchor::Start));
}

/// The front, what earns the most, what the file has.
fn marks(canvas: &Canvas<'_>, sweep: &Sweep, layout: &Layout) {
    let is_roomy = layout.cell.0 >= 14.0 && layout.cell.1 >= 12.0;
    let corner = |(from, to): ((f64, f64), (f64, f64))| (to.0 - 7.0, from.1 + 7.0);
    for (point, is_on) in sweep.points.iter().zip(sweep.front()) {
        if let (true, true, Some(cell)) = (is_on, is_roomy, layout.place(&point.at)) {
            canvas.dot(corner(cell), 4, BLACK);
            canvas.dot(corner(cell), 3, WHITE);
        }
    }
    let framed = |at: &[usize]| {
        if let Some((from, to)) = layout.place(at) {
            // Around a cell that it would hide.
            let inset = if is_roomy { 1.0 } else { -3.0 };
            let corners = ((from.0 + inset, from.1 + inset), (to.0 - inset, to.1 - inset));
            canvas.frame(corners.0, corners.1, BLACK, 3);
            canvas.frame(corners.0, corners.1, WHITE, 1);
        }
    };
    if let Some(base) = sweep.base {
        framed(&sweep.points[base].at);
    }
    if let Some(cell) = sweep.best().and_then(|best| layout.place(&sweep.points[best].at)) {
        let at = if is_roomy {
            (cell.0.0 + 9.0, cell.0.1 + 9.0)
        } else {
            (f64::midpoint(cell.0.0, cell.1.0), f64::midpoint(cell.0.1, cell.1.1))
        };
        canvas.diamond(at, 7.0, BLACK);
        canvas.diamond(at, 5.0, WHITE);
    }
    let (y, look) = (layout.bottom() + 66.0, Look::of(MUTED, Anchor::Start));
    let mut x = 24.0;
    let mut item = |mark: &dyn Fn((f64, f64)), text: &str| {
        mark((x + 6.0, y));
        canvas.text(text, (x + 18.0, y), look);
        x += 18.0 + width(text, SMALL) + 18.0;
    };
    item(
        &|at| {
            canvas.diamond(at, 7.0, BLACK);
            canvas.diamond(at, 5.0, WHITE);
        },
        "earns the most",
    );
    if is_roomy {
        item(
            &|at| {
                canvas.dot(at, 4, BLACK);
                canvas.dot(at, 3, WHITE);
            },
            "on the front: no other beats it",
        );
    }
    if sweep.base.is_some() {
        item(&|(x, y)| canvas.frame((x - 6.0, y - 6.0), (x + 6.0, y + 6.0), BLACK, 2), "as the file has it");
    }
}
