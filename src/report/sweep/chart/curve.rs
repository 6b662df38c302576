//! One key: revenue above, refusals below, over the same values.

use super::super::draw::{Anchor, BLUE, Canvas, INK, LINES, Look, MUTED, ORANGE, SMALL, fitted, svg};
use super::super::scale::{Scale, Told, labels, short};
use super::super::thinned;
use super::{Figure, WIDTH, headed, number, numbers, spaced};
use crate::sweep::Sweep;
use crate::sweep::evidence::Evidence;

const HEIGHT: f64 = 580.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = WIDTH - 28.0;
/// How wide the label of a value is at most: that of the last one ends inside of the chart.
const LABEL: f64 = 100.0;
/// How many points are drawn: fewer than pixels.
const DRAWN: usize = 600;
/// Top and bottom of both panels.
const PANELS: [(f64, f64); 2] = [(112.0, 294.0), (348.0, 492.0)];

/// Both lines.
pub(super) fn curve(sweep: &Sweep, known: Option<&[Evidence]>) -> String {
    let axis = &sweep.axes[0];
    let title = format!("Revenue and refusals by {}", axis.path);
    let describe = |at: usize| {
        let point = &sweep.points[at];
        let [earned, refused] =
            [Figure::Earned, Figure::Refused].map(|figure| short(figure.of(sweep, point), figure.told(sweep)));
        format!("{earned} earned and {refused} of calls refused at {}", axis.values[point.at[0]].text)
    };
    let most = sweep.best().map_or_else(String::new, |best| format!("; the most is earned with {}", describe(best)));
    let description = format!("{} to {}{most}", describe(0), describe(sweep.points.len() - 1));
    svg((WIDTH as u32, HEIGHT as u32), &title, &description, |canvas| {
        headed(canvas, &title, sweep);
        let places = Places::new(sweep);
        panel(canvas, (sweep, known), &places, Figure::Earned, PANELS[0]);
        panel(canvas, (sweep, known), &places, Figure::Refused, PANELS[1]);
        let place =
            |(at, value): (usize, &crate::sweep::AxisValue)| (places.of_value(at), fitted(&value.text, LABEL, SMALL));
        let bottom = PANELS[1].1;
        for (x, label) in spaced(axis.values.iter().enumerate().map(place), SMALL) {
            canvas.text(&label, (x, bottom + 18.0), Look::of(MUTED, Anchor::Middle));
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        canvas.text(&fitted(&axis.path, RIGHT - LEFT, SMALL), (middle, bottom + 40.0), Look::of(INK, Anchor::Middle));
        legend(canvas, sweep, &places);
    })
}

/// Where values are, across: by their size where they are numbers, else side by side.
struct Places {
    scale: Scale,
    numbers: Option<Vec<f64>>,
    /// Where the file's own value is, if that is a place on the scale.
    own: Option<f64>,
}

impl Places {
    fn new(sweep: &Sweep) -> Self {
        let axis = &sweep.axes[0];
        let numbers = numbers(axis);
        let (low, high) = match numbers.as_deref() {
            Some([only]) => (only - 1.0, only + 1.0),
            Some([first, .., last]) => (*first, *last),
            _ => (0.0, (axis.values.len() - 1).max(1) as f64),
        };
        let room = (high - low) * 0.04;
        let scale = Scale { low: low - room, high: high + room, from: LEFT, to: RIGHT };
        let beside = || {
            let (dress, own) = number(axis.written.as_deref()?)?;
            let (known, _) = number(&axis.values[0].text)?;
            let is_inside = numbers.is_some() && dress == known && (low..=high).contains(&own);
            is_inside.then(|| scale.at(own))
        };
        let mut places = Self { scale, own: None, numbers: numbers.clone() };
        places.own = axis.own.map(|at| places.of_value(at)).or_else(beside);
        places
    }

    fn of_value(&self, at: usize) -> f64 {
        self.scale.at(self.numbers.as_ref().map_or(at as f64, |numbers| numbers[at]))
    }
}

/// Whether points lie so close that only those on the front have dots.
fn is_crowded(sweep: &Sweep) -> bool {
    sweep.points.len() > 80
}

/// A sweep, and what is known of its points.
type Known<'a> = (&'a Sweep, Option<&'a [Evidence]>);

fn panel(canvas: &Canvas<'_>, (sweep, known): Known<'_>, places: &Places, figure: Figure, (top, bottom): (f64, f64)) {
    let interval = |at: usize| {
        let known = known?[at];
        if figure == Figure::Earned { known.earned } else { known.share }
    };
    let ends = (0..sweep.points.len()).filter_map(interval).flat_map(|it| [it.from, it.to]);
    let figures = sweep.points.iter().map(|point| figure.of(sweep, point)).chain(ends);
    let scale = match figure {
        Figure::Earned => Scale::over(figures, (bottom, top)),
        Figure::Refused => Scale::of_shares(figures, (bottom, top)),
    };
    let color = if figure == Figure::Earned { BLUE } else { ORANGE };
    canvas.text(&figure.title(sweep), (20.0, top - 24.0), Look { size: 13.0, ..Look::of(color, Anchor::Start) });
    let ticks = scale.ticks(5);
    for (tick, label) in ticks.iter().zip(labels(&ticks, figure.told(sweep))) {
        let y = scale.at(*tick);
        canvas.line(&[(LEFT, y), (RIGHT, y)], LINES, 1);
        canvas.text(&label, (LEFT - 8.0, y), Look::of(MUTED, Anchor::End));
    }
    canvas.line(&[(LEFT, bottom), (RIGHT, bottom)], MUTED, 1);
    if let Some(x) = places.own {
        canvas.dashes_down(x, top, bottom, INK);
    }
    let place = |at: usize| {
        let point = &sweep.points[at];
        (places.of_value(point.at[0]), scale.at(figure.of(sweep, point)))
    };
    let drawn = thinned(sweep.points.len(), DRAWN);
    for pair in drawn.windows(2) {
        // Nothing is drawn over a point that was not played.
        if sweep.points[pair[1]].at[0] - sweep.points[pair[0]].at[0] == pair[1] - pair[0] {
            canvas.line(&[place(pair[0]), place(pair[1])], color, 2);
        }
    }
    let is_crowded = is_crowded(sweep);
    let front = sweep.front();
    for at in drawn {
        let (is_on_front, (x, y)) = (front[at], place(at));
        if let Some(interval) = interval(at) {
            canvas.line(&[(x, scale.at(interval.from)), (x, scale.at(interval.to))], color, 1);
        }
        match (is_on_front, is_crowded) {
            (true, _) => canvas.dot((x, y), if is_crowded { 2 } else { 4 }, color),
            (false, false) => canvas.ring((x, y), 3, color),
            (false, true) => {}
        }
    }
    if let (Figure::Earned, Some(best)) = (figure, sweep.best()) {
        let (x, y) = place(best);
        let anchor = match x {
            x if x > RIGHT - 60.0 => Anchor::End,
            x if x < LEFT + 60.0 => Anchor::Start,
            _ => Anchor::Middle,
        };
        let label = short(figure.of(sweep, &sweep.points[best]), Told::Money(sweep.currency));
        canvas.diamond((x, y), 7.0, color);
        let above = interval(best).map_or(y, |interval| y.min(scale.at(interval.to)));
        canvas.text(&label, (x, above - 15.0), Look::of(INK, anchor));
    }
}

fn legend(canvas: &Canvas<'_>, sweep: &Sweep, places: &Places) {
    let y = HEIGHT - 18.0;
    let look = Look::of(MUTED, Anchor::Start);
    canvas.diamond((LEFT + 6.0, y), 6.0, BLUE);
    canvas.text("earns the most", (LEFT + 18.0, y), look);
    canvas.dot((LEFT + 132.0, y), 4, BLUE);
    canvas.text("on the front", (LEFT + 142.0, y), look);
    if !is_crowded(sweep) {
        canvas.ring((LEFT + 236.0, y), 3, BLUE);
        canvas.text("beaten by another", (LEFT + 246.0, y), look);
    }
    if places.own.is_some() {
        canvas.dashes_down(LEFT + 380.0, y - 8.0, y + 8.0, INK);
        canvas.text("as the file has it", (LEFT + 390.0, y), look);
    }
}
