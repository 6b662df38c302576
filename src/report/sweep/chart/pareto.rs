//! The front: every point by what it refuses and what it earns, and those that no other beats, numbered.

use std::collections::BTreeSet;

use super::super::draw::{Anchor, BLUE, Canvas, FAINT, INK, LINES, Look, MUTED, SMALL, Weight, fitted, svg, width};
use super::super::scale::{Scale, labels, short};
use super::super::{last_keys, on_front, thinned};
use super::{Figure, WIDTH, headed, values};
use crate::sweep::{Point, Sweep};

const HEIGHT: f64 = 480.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 470.0;
const TOP: f64 = 100.0;
const BOTTOM: f64 = 400.0;
/// How many points of the front are named.
const NAMED: usize = 10;

/// The chart.
pub(super) fn front(sweep: &Sweep) -> String {
    let front = on_front(sweep);
    let title = "Revenue against refusals: which points no other beats";
    let told = |point: &Point| {
        let [earned, refused] =
            [Figure::Earned, Figure::Refused].map(|figure| short(figure.of(sweep, point), figure.told(sweep)));
        format!("{earned}, {refused}")
    };
    let ends = match front.as_slice() {
        [first, .., last] => {
            format!(", from {} at {} to {} at {}", told(first), values(sweep, first), told(last), values(sweep, last))
        }
        _ => front.first().map_or_else(String::new, |only| format!(", {} at {}", told(only), values(sweep, only))),
    };
    let description = format!("{} of {} points are on the front{ends}", front.len(), sweep.points.len());
    svg((WIDTH as u32, HEIGHT as u32), title, &description, |canvas| {
        headed(canvas, title, sweep);
        let everyone = || sweep.points.iter().chain(sweep.own());
        let across = Scale::of_shares(everyone().map(|point| Figure::Refused.of(sweep, point)), (LEFT + 16.0, RIGHT));
        let up = Scale::over(everyone().map(|point| Figure::Earned.of(sweep, point)), (BOTTOM, TOP));
        axes(canvas, sweep, &across, &up);
        let place =
            |point: &Point| (across.at(Figure::Refused.of(sweep, point)), up.at(Figure::Earned.of(sweep, point)));
        scatter(canvas, sweep, &place);
        let line: Vec<_> = front.iter().map(|point| place(point)).collect();
        for pair in line.windows(2) {
            // Between two points of the front nothing is reached: it goes across, then up.
            canvas.line(&[pair[0], (pair[1].0, pair[0].1), pair[1]], BLUE, 1);
        }
        for at in &line {
            canvas.dot(*at, if line.len() > 60 { 3 } else { 5 }, BLUE);
        }
        if let Some(own) = sweep.own() {
            canvas.dot(place(own), 3, INK);
            canvas.outline(place(own), 9, INK);
        }
        named(canvas, sweep, &front, &place, &told);
    })
}

fn axes(canvas: &Canvas<'_>, sweep: &Sweep, across: &Scale, up: &Scale) {
    let look = Look::of(INK, Anchor::Start);
    canvas.text(&Figure::Earned.title(sweep), (20.0, TOP - 22.0), look);
    let ticks = up.ticks(6);
    for (tick, label) in ticks.iter().zip(labels(&ticks, Figure::Earned.told(sweep))) {
        let y = up.at(*tick);
        canvas.line(&[(LEFT, y), (RIGHT, y)], LINES, 1);
        canvas.text(&label, (LEFT - 8.0, y), Look::of(MUTED, Anchor::End));
    }
    let ticks = across.ticks(6);
    for (tick, label) in ticks.iter().zip(labels(&ticks, Figure::Refused.told(sweep))) {
        let x = across.at(*tick);
        canvas.line(&[(x, BOTTOM), (x, BOTTOM + 4.0)], MUTED, 1);
        canvas.text(&label, (x, BOTTOM + 16.0), Look::of(MUTED, Anchor::Middle));
    }
    canvas.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], MUTED, 1);
    let middle = f64::midpoint(LEFT, RIGHT);
    canvas.text(&Figure::Refused.title(sweep), (middle, BOTTOM + 38.0), Look::of(INK, Anchor::Middle));
}

/// The points that are beaten; of those that fall on one spot, one.
fn scatter(canvas: &Canvas<'_>, sweep: &Sweep, place: &impl Fn(&Point) -> (f64, f64)) {
    let mut spots = BTreeSet::new();
    for (point, is_on) in sweep.points.iter().zip(sweep.front()) {
        let (x, y) = place(point);
        if !is_on && spots.insert(((x / 2.0) as i64, (y / 2.0) as i64)) {
            canvas.dot((x, y), 3, FAINT);
        }
    }
    let (y, look) = (HEIGHT - 20.0, Look::of(MUTED, Anchor::Start));
    canvas.dot((LEFT + 6.0, y), 5, BLUE);
    canvas.text("on the front", (LEFT + 18.0, y), look);
    canvas.dot((LEFT + 112.0, y), 3, FAINT);
    canvas.text("beaten by another", (LEFT + 122.0, y), look);
    if sweep.own().is_some() {
        canvas.outline((LEFT + 248.0, y), 7, INK);
        canvas.text("as the file has it", (LEFT + 262.0, y), look);
    }
}

/// What the values of points are of, in short where there is little room.
fn keys(sweep: &Sweep, room: f64) -> String {
    let long = last_keys(&sweep.axes, 2).join(" · ");
    if width(&long, SMALL) <= room { long } else { last_keys(&sweep.axes, 1).join(" · ") }
}

/// Whether numbers at two points would touch.
fn near(a: (f64, f64), b: (f64, f64)) -> bool {
    (a.0 - b.0).abs() < 16.0 && (a.1 - b.1).abs() < 15.0
}

/// Numbers beside points of the front, and what they are at the side.
fn named(
    canvas: &Canvas<'_>,
    sweep: &Sweep,
    front: &[&Point],
    place: &impl Fn(&Point) -> (f64, f64),
    told: &impl Fn(&Point) -> String,
) {
    let x = RIGHT + 28.0;
    let room = WIDTH - x - 16.0;
    let bold = Look { weight: Weight::Bold, ..Look::of(INK, Anchor::Start) };
    canvas.text("On the front", (x, TOP - 22.0), bold);
    canvas.text(&fitted(&keys(sweep, room), room, SMALL), (x, TOP - 4.0), Look::of(MUTED, Anchor::Start));
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for &at in &thinned(front.len(), NAMED) {
        let (px, py) = place(front[at]);
        // A number that would lie on another is left out, and its line with it.
        if taken.iter().any(|taken| near(*taken, (px, py))) {
            continue;
        }
        taken.push((px, py));
        let (number, y) = (taken.len(), TOP + 18.0 + 30.0 * (taken.len() - 1) as f64);
        // Beside the circle around the file's own point, where there is one.
        let aside = if sweep.own().is_some_and(|own| near(place(own), (px, py))) { 4.0 } else { 0.0 };
        canvas.text(
            &number.to_string(),
            (px - 8.0 - aside, py - 11.0 - aside),
            Look { weight: Weight::Bold, ..Look::of(INK, Anchor::Middle) },
        );
        canvas.text(&number.to_string(), (x, y), bold);
        canvas.text(
            &fitted(&values(sweep, front[at]), room - 20.0, SMALL),
            (x + 20.0, y),
            Look::of(INK, Anchor::Start),
        );
        canvas.text(
            &fitted(&told(front[at]), room - 20.0, SMALL),
            (x + 20.0, y + 14.0),
            Look::of(MUTED, Anchor::Start),
        );
    }
    if taken.len() < front.len() {
        let more = format!("and {} more, in sweep.csv", front.len() - taken.len());
        let y = TOP + 18.0 + 30.0 * taken.len() as f64;
        canvas.text(&more, (x, y), Look::of(MUTED, Anchor::Start));
    }
}
