//! A sweep as a table in CSV: a row for each point, with what was set there. `reports/README.md` has the columns.

use super::super::table::{decimal, write};
use crate::measure::interval::Interval;
use crate::sweep::evidence::{Behind, Evidence};
use crate::sweep::steps::share_of;
use crate::sweep::{Point, Sweep};

/// What stands behind the columns of the keys.
const FIGURES: [&str; 20] = [
    "on_front",
    "is_best",
    "is_base",
    "earned",
    "earned_from",
    "earned_to",
    "behind",
    "invoiced",
    "collected",
    "mrr",
    "margin",
    "calls",
    "refused",
    "share",
    "share_from",
    "share_to",
    "consumers_refused_at_least",
    "left",
    "replications",
    "currency",
];

/// The whole table, with what is known of the points. The scenario as the file has it comes first where it is not on the grid, with what the file says in the
/// columns of the keys.
pub fn table(sweep: &Sweep, known: Option<&[Evidence]>) -> String {
    let header: Vec<&str> = sweep.axes.iter().map(|axis| axis.path.as_str()).chain(FIGURES).collect();
    let (front, best) = (sweep.front(), sweep.best());
    let mut rows = Vec::new();
    if let Some(beside) = &sweep.beside {
        let written = sweep.axes.iter().map(|axis| axis.written.clone().unwrap_or_default());
        rows.push(row(sweep, written.collect(), beside, [None, None, Some(true)], None));
    }
    for (at, point) in sweep.points.iter().enumerate() {
        let values = point.at.iter().zip(&sweep.axes).map(|(at, axis)| axis.values[*at].text.clone());
        let marks = [Some(front[at]), Some(best == Some(at)), Some(sweep.base == Some(at))];
        let known = known.map(|known| (known[at].earned, known[at].share, known[at].behind));
        rows.push(row(sweep, values.collect(), point, marks, known));
    }
    write(&header, &rows)
}

type Known = (Option<Interval>, Option<Interval>, Behind);

fn row(
    sweep: &Sweep,
    values: Vec<String>,
    point: &Point,
    marks: [Option<bool>; 3],
    known: Option<Known>,
) -> Vec<String> {
    let (runs, scale) = (sweep.replications, sweep.currency.scale.unsigned_abs());
    let total = &point.total;
    let amount = |units: i128| decimal(mean(units, runs), scale);
    let count = |count: u64| fraction(u128::from(count), runs);
    let of_money = |end: f64| decimal(end.round() as i128, scale);
    let ends = |interval: Option<Interval>, show: &dyn Fn(f64) -> String| {
        interval.map_or([String::new(), String::new()], |it| [show(it.from), show(it.to)])
    };
    let (earned, share, behind) =
        known.map_or((None, None, None), |(earned, share, behind)| (earned, share, Some(behind)));
    let [earned_from, earned_to] = ends(earned, &of_money);
    let [share_from, share_to] = ends(share, &|share| format!("{share:.6}"));
    let figures = [
        amount(total.earned),
        earned_from,
        earned_to,
        behind.map_or_else(String::new, |behind| behind.name().to_owned()),
        amount(total.invoiced),
        amount(total.collected),
        amount(total.mrr),
        amount(total.margin),
        count(total.calls),
        count(total.refused),
        if total.calls == 0 { String::new() } else { format!("{:.6}", share_of(total)) },
        share_from,
        share_to,
        count(total.consumers_refused_at_least),
        count(total.left),
        runs.to_string(),
        sweep.currency.code.to_owned(),
    ];
    let marks = marks.map(|mark| mark.map_or_else(String::new, |mark| mark.to_string()));
    values.into_iter().chain(marks).chain(figures).collect()
}

/// A mean of so many, rounded to the next unit, halves up.
pub(super) fn mean(total: i128, runs: u32) -> i128 {
    let runs = i128::from(runs);
    (2 * total + runs).div_euclid(2 * runs)
}

/// A mean count, to three decimals where it is no whole number.
fn fraction(total: u128, runs: u32) -> String {
    let runs = u128::from(runs);
    let thousandths = (total * 2_000 + runs) / (2 * runs);
    decimal(thousandths as i128, 1_000)
}
