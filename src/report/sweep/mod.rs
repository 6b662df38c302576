//! A sweep as a page for the terminal; beside it as a table ([`table`]), as plain data ([`json`]) and as charts
//! ([`chart`]). Of several replications every figure is the mean.

pub mod chart;
mod draw;
pub mod json;
mod scale;
pub mod table;

use std::fmt::Write as _;

use farebox_engine::money::{Currency, thousands};

use super::text::{NOBODY_MINDS_PRICES, amount, counted, length, row, table as titled};
use crate::measure::interval::Interval;
use crate::sweep::evidence::{Behind, Evidence};
use crate::sweep::front::by_share;
use crate::sweep::steps::{share_of, steps};
use crate::sweep::{Axis, Point, Sweep};

/// How many rows a surface has on the page; more are in the table.
const ROWS: usize = 24;
/// How many columns.
const COLUMNS: usize = 8;
/// How many points a list of them has.
const LISTED: usize = 12;
/// How many characters of a value are shown, and of a key.
const VALUE_CHARS: usize = 28;
const KEY_CHARS: usize = 48;

/// The whole page, with what is known of the points.
pub fn render(sweep: &Sweep, known: Option<&[Evidence]>) -> String {
    let mut page = heading(sweep) + &swept(sweep);
    if sweep.points.is_empty() {
        return page + "\nNo point was played to its end.\n";
    }
    page += &match sweep.axes.as_slice() {
        [_] => line(sweep, known),
        [_, _] => surfaces(sweep),
        _ => String::new(),
    };
    page += &ends(sweep);
    page += &front(sweep);
    page += &by_step(sweep);
    page += &told_apart(sweep, known);
    page + NOBODY_MINDS_PRICES
}

fn heading(sweep: &Sweep) -> String {
    let planned = thousands(sweep.planned as u128);
    let points = if sweep.is_partial() {
        format!("PARTIAL: {} of {planned} points", thousands(sweep.points.len() as u128))
    } else {
        counted(sweep.planned as u64, "point")
    };
    let runs = match sweep.replications {
        1 => String::new(),
        runs => format!(" · means over {}", counted(runs.into(), "replication")),
    };
    // What is set differs from point to point.
    let who = if is_set(sweep, "count") { String::new() } else { counted(sweep.consumers, "consumer") + " · " };
    let time = horizon(sweep).map_or_else(String::new, |time| time + " · ");
    format!("{} · {points} · {who}{time}seed {}{runs}\n", sweep.scenario, sweep.seed)
}

/// How much time was played, where all points have the same.
fn horizon(sweep: &Sweep) -> Option<String> {
    (!is_set(sweep, "horizon")).then(|| length(sweep.horizon_ns))
}

/// Whether a key is set that ends so.
fn is_set(sweep: &Sweep, key: &str) -> bool {
    sweep.axes.iter().any(|axis| axis.path.rsplit('.').next() == Some(key))
}

fn swept(sweep: &Sweep) -> String {
    let rows = sweep.axes.iter().map(|axis| {
        let values = counted(axis.values.len() as u64, "value");
        let shown: Vec<String> = match axis.values.as_slice() {
            [first, .., last] if axis.values.len() > 6 => [first, last].map(|it| cut(&it.text, VALUE_CHARS)).into(),
            values => values.iter().map(|it| cut(&it.text, VALUE_CHARS)).collect(),
        };
        let listed = shown.join(if axis.values.len() > 6 { " … " } else { ", " });
        let own = match (&axis.own, &axis.written) {
            (Some(at), _) => format!("; the file has {}", cut(&axis.values[*at].text, VALUE_CHARS)),
            (None, Some(written)) => format!("; the file has {}, beside the grid", cut(written, VALUE_CHARS)),
            (None, None) => "; the file has none of them".to_owned(),
        };
        row(cut(&axis.path, KEY_CHARS), values, format!("{listed}{own}"))
    });
    titled("Swept", &rows.collect::<Vec<_>>())
}

// === Surfaces ===

/// One key: a row for each value, how sure it is, and how the figures move from one to the next.
fn line(sweep: &Sweep, known: Option<&[Evidence]>) -> String {
    let (axis, on_front, best) = (&sweep.axes[0], sweep.front(), sweep.best());
    let steps = steps(sweep);
    let sure = |text: &str| known.map(|_| text.to_owned());
    let cells = |cells: [Option<String>; 9]| cells.into_iter().flatten().collect::<Vec<_>>();
    let [none, step] = ["", "step"].map(|it| Some(it.to_owned()));
    let [earned, refused, left] = ["earned", "refused", "left"].map(|it| Some(it.to_owned()));
    let header = [none.clone(), earned, sure("±"), step.clone(), refused, sure("±"), step, left, none];
    let mut rows = vec![cells(header)];
    let shown = strided(sweep.points.len(), ROWS);
    for &at in &shown {
        let point = &sweep.points[at];
        let step = steps.iter().find(|step| step.to == point.at[0] && shown.len() == sweep.points.len());
        let half = |of: fn(&Evidence) -> Option<Interval>, told: &dyn Fn(f64) -> String| {
            known.map(|known| of(&known[at]).map_or("alike".to_owned(), |interval| told(interval.half())))
        };
        rows.push(cells([
            Some(cut(&axis.values[point.at[0]].text, VALUE_CHARS)),
            Some(money(sweep, point.total.earned)),
            half(|it| it.earned, &|half| rounded(sweep.currency, half)),
            Some(step.map_or_else(String::new, |step| signed_money(sweep.currency, step.earned))),
            Some(percent(share_of(&point.total))),
            half(|it| it.share, &points),
            Some(step.map_or_else(String::new, |step| signed_points(step.share))),
            Some(mean_count(point.total.left, sweep.replications)),
            Some(marks(sweep, at, &on_front, best).join(", ")),
        ]));
    }
    let table = aligned(&rows, Last::Words);
    format!("\nBy {}\n{table}{}", cut(&axis.path, KEY_CHARS), left_out(&shown, sweep.points.len()))
}

/// Two keys: revenue and refusals, the key with more values going down.
fn surfaces(sweep: &Sweep) -> String {
    let (down, across) = if sweep.axes[0].values.len() >= sweep.axes[1].values.len() { (0, 1) } else { (1, 0) };
    let rows = strided(sweep.axes[down].values.len(), ROWS);
    let columns = strided(sweep.axes[across].values.len(), COLUMNS);
    let surface = |title: &str, of: &dyn Fn(&Point) -> String| {
        let value = |axis: usize, at: usize| cut(&sweep.axes[axis].values[at].text, VALUE_CHARS);
        let mut lines = vec![vec![String::new()]];
        lines[0].extend(columns.iter().map(|&column| value(across, column)));
        for &row in &rows {
            let cell = |&column: &usize| {
                let at = if down == 0 { [row, column] } else { [column, row] };
                sweep.points.iter().find(|point| point.at == at).map_or("–".to_owned(), of)
            };
            lines.push([value(down, row)].into_iter().chain(columns.iter().map(cell)).collect());
        }
        format!("\n{title}\n{}", aligned(&lines, Last::Figures))
    };
    let [down_path, across_path] = [down, across].map(|axis| cut(&sweep.axes[axis].path, KEY_CHARS));
    let axes = format!("{down_path} down, {across_path} across");
    let is_whole = rows.len() * columns.len() == sweep.planned;
    surface(&format!("Earned: {axes}"), &|point| money(sweep, point.total.earned))
        + &surface("Refused, of all calls", &|point| percent(share_of(&point.total)))
        + if is_whole { "" } else { "  Values between those shown are in sweep.csv.\n" }
}

// === Single points ===

/// The file's own values, what earns the most and what refuses the least.
fn ends(sweep: &Sweep) -> String {
    let mut rows = vec![header(sweep)];
    if let Some(own) = sweep.own() {
        rows.push(point_row(
            sweep,
            own,
            if sweep.base.is_some() { "as the file has it" } else { "as the file has it, not on the grid" },
        ));
    }
    if let Some(best) = sweep.best() {
        rows.push(point_row(sweep, &sweep.points[best], "earns the most on the grid"));
    }
    let least = sweep.points.iter().min_by(|a, b| {
        by_share(&a.total, &b.total).then_with(|| b.total.earned.cmp(&a.total.earned)).then_with(|| a.at.cmp(&b.at))
    });
    if let Some(least) = least {
        rows.push(point_row(sweep, least, "refuses the least on the grid"));
    }
    format!("\nPoints\n{}", aligned(&rows, Last::Figures))
}

/// The points that no other beats, those that refuse the least first.
fn front(sweep: &Sweep) -> String {
    let front = on_front(sweep);
    let shown = thinned(front.len(), LISTED);
    let mut rows = vec![header(sweep)];
    rows.extend(shown.iter().map(|&at| point_row(sweep, front[at], "")));
    let count = counted(front.len() as u64, "point");
    let what = "no other earns more without refusing more, or refuses less without earning less";
    format!("\nFront: {count}; {what}\n{}{}", aligned(&rows, Last::Figures), left_out(&shown, front.len()))
}

/// The points of the front in the order of their shares.
fn on_front(sweep: &Sweep) -> Vec<&Point> {
    let is_on = sweep.front();
    let mut front: Vec<&Point> =
        sweep.points.iter().zip(is_on).filter(|(_, is_on)| *is_on).map(|(point, _)| point).collect();
    front.sort_by(|a, b| by_share(&a.total, &b.total).then_with(|| a.at.cmp(&b.at)));
    front
}

fn header(sweep: &Sweep) -> Vec<String> {
    let keys = last_keys(&sweep.axes, 2).into_iter().map(|path| cut(path, KEY_CHARS));
    [String::new()].into_iter().chain(keys).chain(["earned", "refused", "margin"].map(str::to_owned)).collect()
}

/// The ends of all paths, which tell most of them: so many keys of each, or more where two paths end alike.
fn last_keys(axes: &[Axis], count: usize) -> Vec<&str> {
    let end = |path: &str| match path.rmatch_indices('.').nth(count - 1) {
        // In quotes a dot divides nothing.
        Some((at, _)) if !path.contains(['"', '\'']) => at + 1,
        _ => 0,
    };
    let ends: Vec<&str> = axes.iter().map(|axis| &axis.path[end(&axis.path)..]).collect();
    let is_alike = ends.iter().enumerate().any(|(at, end)| ends[..at].contains(end));
    // Paths differ as a whole, so this ends.
    if is_alike { last_keys(axes, count + 1) } else { ends }
}

fn point_row(sweep: &Sweep, point: &Point, label: &str) -> Vec<String> {
    let values: Vec<String> = if point.at.is_empty() {
        sweep.axes.iter().map(|axis| cut(axis.written.as_deref().unwrap_or("–"), VALUE_CHARS)).collect()
    } else {
        let value = |(axis, at): (usize, &usize)| cut(&sweep.axes[axis].values[*at].text, VALUE_CHARS);
        point.at.iter().enumerate().map(value).collect()
    };
    let figures = [money(sweep, point.total.earned), percent(share_of(&point.total)), money(sweep, point.total.margin)];
    [label.to_owned()].into_iter().chain(values).chain(figures).collect()
}

/// What is to be said of a point of the only key.
fn marks(sweep: &Sweep, at: usize, on_front: &[bool], best: Option<usize>) -> Vec<&'static str> {
    let marks =
        [(best == Some(at), "earns the most"), (on_front[at], "front"), (sweep.base == Some(at), "as the file has it")];
    marks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| mark).collect()
}

// === Steps and evidence ===

/// How the figures move along each of several keys; of one key its own table says it.
fn by_step(sweep: &Sweep) -> String {
    let steps = steps(sweep);
    if sweep.axes.len() == 1 || steps.is_empty() {
        return String::new();
    }
    let mut rows = vec![["", "steps", "earned a step", "least", "most", "refused a step"].map(str::to_owned).to_vec()];
    for (at, axis) in sweep.axes.iter().enumerate() {
        let own: Vec<_> = steps.iter().filter(|step| step.axis == at).collect();
        let count = own.len() as f64;
        if own.is_empty() {
            continue;
        }
        let earned = || own.iter().map(|step| step.earned);
        let money = |amount: f64| signed_money(sweep.currency, amount);
        rows.push(vec![
            cut(&axis.path, KEY_CHARS),
            own.len().to_string(),
            money(earned().sum::<f64>() / count),
            money(earned().fold(f64::INFINITY, f64::min)),
            money(earned().fold(f64::NEG_INFINITY, f64::max)),
            signed_points(own.iter().map(|step| step.share).sum::<f64>() / count),
        ]);
    }
    format!("\nFrom one value to the next, on average over all others\n{}", aligned(&rows, Last::Figures))
}

fn told_apart(sweep: &Sweep, known: Option<&[Evidence]>) -> String {
    let (Some(known), Some(best)) = (known, sweep.best()) else {
        return "\nBelow 10 replications there are no intervals: `--replications 10` tells chance from effect.\n"
            .to_owned();
    };
    let mut text = String::from("\nHow sure\n");
    let interval = |at: usize| {
        let half = known[at]
            .earned
            .map_or_else(|| "in each replication".to_owned(), |it| format!("± {}", rounded(sweep.currency, it.half())));
        let share = known[at].share.map_or_else(String::new, |it| format!(", refused ± {}", points(it.half())));
        let is_sure = known[at].earned.is_none() && known[at].share.is_none();
        format!("{half}{share}{}", if is_sure { "" } else { ", at 95 %" })
    };
    let near: Vec<usize> =
        (0..known.len()).filter(|&at| matches!(known[at].behind, Behind::NotTold | Behind::Same)).collect();
    let _ = writeln!(text, "  the best earns {} {}", money(sweep, sweep.points[best].total.earned), interval(best));
    if known.len() == 1 {
        return text;
    }
    if near.is_empty() {
        text += "  every other point earns less, by more than chance explains (paired over replications)\n";
        return text;
    }
    let names = near.iter().take(5).map(|&at| name(sweep, &sweep.points[at])).collect::<Vec<_>>().join("; ");
    let more = if near.len() > 5 { format!("; and {} more", near.len() - 5) } else { String::new() };
    let points = counted(near.len() as u64, "point");
    let _ = writeln!(text, "  not told apart from it in revenue, paired over replications: {points}: {names}{more}");
    text
}

/// The values of a point, one behind the other.
fn name(sweep: &Sweep, point: &Point) -> String {
    let values = point.at.iter().zip(&sweep.axes).map(|(at, axis)| cut(&axis.values[*at].text, VALUE_CHARS));
    values.collect::<Vec<_>>().join(", ")
}

// === Figures ===

/// A mean amount, in the minor unit.
fn money(sweep: &Sweep, total: i128) -> String {
    amount(total, sweep.replications.into(), sweep.currency)
}

fn rounded(currency: Currency, units: f64) -> String {
    amount(units.round() as i128, 1, currency)
}

fn signed_money(currency: Currency, units: f64) -> String {
    let text = rounded(currency, units);
    if units > 0.0 { format!("+{text}") } else { text }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A difference of shares, in percentage points.
fn points(share: f64) -> String {
    format!("{:.2} pp", share * 100.0)
}

fn signed_points(share: f64) -> String {
    let points = share * 100.0;
    // Nothing has no sign.
    if points.abs() < 0.005 { "0.00 pp".to_owned() } else { format!("{points:+.2} pp") }
}

/// A mean count, with one decimal where it is no whole number.
fn mean_count(total: u64, runs: u32) -> String {
    let (total, runs) = (u128::from(total), u128::from(runs));
    if total.is_multiple_of(runs) {
        return thousands(total / runs);
    }
    let tenths = (20 * total + runs) / (2 * runs);
    format!("{}.{}", thousands(tenths / 10), tenths % 10)
}

/// A text that fits a column: what is beyond is cut off.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// So many of a number of things, evenly spread, the first and the last among them.
fn thinned(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    (0..most).map(|at| at * (count - 1) / (most - 1)).collect()
}

/// Of a number of values that grow evenly, every second, third and so on, so that what is shown does as well; and the
/// last.
fn strided(count: usize, most: usize) -> Vec<usize> {
    let stride = if count <= most { 1 } else { (count - 1).div_ceil(most - 1) };
    let last = count.checked_sub(1).filter(|last| last % stride != 0);
    (0..count).step_by(stride).chain(last).collect()
}

fn left_out(shown: &[usize], count: usize) -> String {
    if shown.len() == count {
        return String::new();
    }
    format!("  {} more are in sweep.csv.\n", thousands((count - shown.len()) as u128))
}

/// What the last column of a table holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Figures,
    /// What is said in words begins where the column does.
    Words,
}

/// Rows in columns: the first flush left, figures flush right.
fn aligned(rows: &[Vec<String>], last: Last) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|it| it.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let is_words = column == 0 || (column + 1 == columns && last == Last::Words);
            let _ = if is_words { write!(line, "  {cell:width$}") } else { write!(line, "  {cell:>width$}") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cohorts have keys of the same names: what tells them apart is shown.
    #[test]
    fn paths_are_shortened_while_they_differ() {
        let shortened = |paths: &[&str]| {
            let axis = |path: &&str| Axis { path: (*path).to_owned(), values: Vec::new(), own: None, written: None };
            last_keys(&paths.iter().map(axis).collect::<Vec<_>>(), 2).join(" ")
        };
        assert_eq!(shortened(&["plans.pro.fee", "consumers.apps.count"]), "pro.fee apps.count");
        assert_eq!(
            shortened(&["consumers.a.traffic.rate", "consumers.b.traffic.rate", "plans.pro.fee"]),
            "a.traffic.rate b.traffic.rate plans.pro.fee"
        );
        assert_eq!(shortened(&["routes.\"/v1/a.json\"", "horizon"]), "routes.\"/v1/a.json\" horizon");
    }

    #[test]
    fn a_mean_has_its_thousands_apart() {
        let told =
            [(24_691, 2), (20, 10), (100_001, 10), (19_999, 3), (7, 10)].map(|(total, runs)| mean_count(total, runs));
        assert_eq!(told, ["12,345.5", "2", "10,000.1", "6,666.3", "0.7"]);
    }

    #[test]
    fn what_is_shown_of_many_grows_evenly_to_the_last() {
        assert_eq!(strided(0, 4), [0; 0]);
        assert_eq!(strided(4, 4), [0, 1, 2, 3]);
        assert_eq!(strided(5, 4), [0, 2, 4]);
        assert_eq!(strided(9, 4), [0, 3, 6, 8]);
        for count in 1..200 {
            for most in 2..30 {
                for shown in [strided(count, most), thinned(count, most)] {
                    assert!(shown.len() <= most && shown[0] == 0 && shown.last() == Some(&(count - 1)));
                    assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "{count} {most}");
                }
            }
        }
    }
}
