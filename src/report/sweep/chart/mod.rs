//! A sweep as charts in SVG: lines over one key, heat maps over two, and for any number of keys the front between revenue
//! and refusals.

mod curve;
mod heat;
mod pareto;

use farebox_engine::money::thousands;

use super::draw::{Anchor, Canvas, INK, Look, MUTED, Weight, fitted, width};
use super::horizon;
use super::scale::Told;
use crate::sweep::evidence::Evidence;
use crate::sweep::steps::share_of;
use crate::sweep::{Axis, Point, Sweep};

/// How wide every chart is, in pixels.
const WIDTH: f64 = 760.0;

/// Every chart: its file's name and its text. None where nothing was played.
pub fn all(sweep: &Sweep, known: Option<&[Evidence]>) -> Vec<(&'static str, String)> {
    if sweep.points.is_empty() {
        return Vec::new();
    }
    let mut charts = match sweep.axes.len() {
        1 => vec![("curve.svg", curve::curve(sweep, known))],
        2 => {
            vec![("earned.svg", heat::heat(sweep, Figure::Earned)), ("refused.svg", heat::heat(sweep, Figure::Refused))]
        }
        _ => Vec::new(),
    };
    charts.push(("front.svg", pareto::front(sweep)));
    charts
}

/// What a chart shows of a point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Figure {
    Earned,
    Refused,
}

impl Figure {
    fn of(self, sweep: &Sweep, point: &Point) -> f64 {
        match self {
            Self::Earned => point.total.earned as f64 / f64::from(sweep.replications),
            Self::Refused => share_of(&point.total),
        }
    }

    fn told(self, sweep: &Sweep) -> Told {
        match self {
            Self::Earned => Told::Money(sweep.currency),
            Self::Refused => Told::Share,
        }
    }

    /// What it is called, with its unit.
    fn title(self, sweep: &Sweep) -> String {
        match self {
            Self::Earned => {
                let time = horizon(sweep).map_or_else(String::new, |time| format!(" in {time}"));
                format!("Revenue earned{time} ({})", sweep.currency.code)
            }
            Self::Refused => "Calls refused (% of all calls)".to_owned(),
        }
    }
}

/// The title of a chart, and the line below it.
fn headed(canvas: &Canvas<'_>, title: &str, sweep: &Sweep) {
    let bold = Look { size: 16.0, weight: Weight::Bold, ..Look::of(INK, Anchor::Start) };
    canvas.text(&fitted(title, WIDTH - 40.0, 17.5), (20.0, 24.0), bold);
    canvas.text(&fitted(&below_title(sweep), WIDTH - 40.0, 12.0), (20.0, 45.0), Look::of(MUTED, Anchor::Start));
}

/// What was played, in a line.
fn below_title(sweep: &Sweep) -> String {
    let runs = match sweep.replications {
        1 => String::new(),
        runs => format!(", means over {runs} replications"),
    };
    let [played, planned] = [sweep.points.len(), sweep.planned].map(|count| thousands(count as u128));
    let partial = if sweep.is_partial() { format!("partial: {played} of ") } else { String::new() };
    format!("{}: {partial}{planned} points, seed {}{runs}", sweep.scenario, sweep.seed)
}

/// Labels at places, those left out that would touch the one before.
fn spaced(places: impl Iterator<Item = (f64, String)>, size: f64) -> Vec<(f64, String)> {
    let mut kept: Vec<(f64, String)> = Vec::new();
    let mut free_from = f64::NEG_INFINITY;
    for (at, label) in places {
        let half = width(&label, size) / 2.0;
        if at - half >= free_from {
            free_from = at + half + size * 0.7;
            kept.push((at, label));
        }
    }
    kept
}

/// The values of a key as numbers, where they are numbers in one unit and grow.
fn numbers(axis: &Axis) -> Option<Vec<f64>> {
    let parsed: Vec<(String, f64)> = axis.values.iter().map(|value| number(&value.text)).collect::<Option<_>>()?;
    let is_alike = parsed.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1);
    is_alike.then(|| parsed.into_iter().map(|(_, number)| number).collect())
}

/// A text as a number and what it is dressed in.
fn number(text: &str) -> Option<(String, f64)> {
    let from = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[from..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(rest.len());
    let number: f64 = rest[..end].replace('_', "").parse().ok()?;
    let letters = rest[end..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - end);
    let (factor, unit) = match &rest[end..end + letters] {
        "k" => (1e3, ""),
        "M" => (1e6, ""),
        "ms" => (1e-3, "s"),
        "s" => (1.0, "s"),
        "m" => (60.0, "s"),
        "h" => (3_600.0, "s"),
        "d" => (86_400.0, "s"),
        other => (1.0, other),
    };
    Some((format!("{}{unit}{}", &text[..from], &rest[end + letters..]), number * factor))
}

/// The values of a point, one behind the other.
fn values(sweep: &Sweep, point: &Point) -> String {
    let values = point.at.iter().zip(&sweep.axes).map(|(at, axis)| axis.values[*at].text.as_str());
    values.collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use farebox_engine::money::Currency;

    use super::*;
    use crate::sweep::{AxisValue, Reading};

    /// A sweep over so many values of each key, with figures that grow in both directions.
    fn sweep(path: &str, values: &[usize], value: impl Fn(usize) -> String) -> Sweep {
        let axis = |(at, count): (usize, &usize)| Axis {
            path: format!("{path}.{at}"),
            values: (0..*count).map(|at| AxisValue { text: value(at) }).collect(),
            own: Some(0),
            written: Some(value(0)),
        };
        let point = |number: usize| {
            let mut rest = number;
            let mut at: Vec<usize> = values.iter().rev().map(|count| (rest % count, rest /= count).0).collect();
            at.reverse();
            let refused = at.iter().sum::<usize>() as u64;
            let earned = at.iter().enumerate().map(|(axis, at)| (axis as i128 + 1) * *at as i128).sum::<i128>();
            let total = Reading { earned: earned * 123_456_789_012, calls: 20_000, refused, ..Reading::default() };
            Point { at, total, each: vec![total] }
        };
        let count = values.iter().product();
        Sweep {
            scenario: path.to_owned(),
            fingerprint: String::new(),
            seed: u64::MAX,
            replications: 1,
            currency: Currency::from_code("USD").unwrap(),
            consumers: 1,
            horizon_ns: 86_400_000_000_000,
            axes: values.iter().enumerate().map(axis).collect(),
            planned: count,
            points: (0..count).map(point).collect(),
            base: Some(0),
            beside: None,
        }
    }

    /// However many points there are and whatever they are called, all that is drawn is within the chart, and there is no
    /// more of it than a viewer can take.
    #[test]
    fn nothing_leaves_a_chart() {
        let hostile =
            "<script>alert('1')</script>\"&\u{1f4a5}\u{5e9}\u{5dc}\u{202e}\u{1b}[31m".to_owned() + &"W".repeat(300);
        let plain = |at: usize| format!("${at}/month");
        let odd = |at: usize| format!("{hostile}{at}");
        let mut charts = Vec::new();
        for values in [&[1][..], &[2], &[7], &[5_000], &[1, 1], &[2, 40], &[300, 100], &[3, 4, 5], &[2, 2, 2, 2, 2]] {
            charts.extend(all(&sweep("plans.pro.fee", values, plain), None));
            charts.extend(all(&sweep(&hostile, values, odd), None));
        }
        for (name, chart) in charts {
            let document = roxmltree::Document::parse(&chart).unwrap();
            let of =
                |node: roxmltree::Node<'_, '_>, name: &str| node.attribute(name).map(|it| it.parse::<f64>().unwrap());
            let size = ["width", "height"].map(|side| of(document.root_element(), side).unwrap());
            let is_within = |(x, y): (f64, f64)| (0.0..=size[0]).contains(&x) && (0.0..=size[1]).contains(&y);
            for node in document.root_element().children().filter(roxmltree::Node::is_element) {
                let (x, y) = (of(node, "x").or(of(node, "cx")), of(node, "y").or(of(node, "cy")));
                let mut places: Vec<(f64, f64)> = x.zip(y).into_iter().collect();
                if let Some([wide, high]) = of(node, "width").zip(of(node, "height")).map(<[f64; 2]>::from) {
                    places.push((x.unwrap() + wide, y.unwrap() + high));
                }
                for corner in node.attribute("points").unwrap_or("").split_whitespace() {
                    let (x, y) = corner.split_once(',').unwrap();
                    places.push((x.parse().unwrap(), y.parse().unwrap()));
                }
                if node.has_tag_name(("http://www.w3.org/2000/svg", "text")) {
                    let wide = width(node.text().unwrap().trim(), of(node, "font-size").unwrap());
                    let from = match node.attribute("text-anchor") {
                        Some("start") => 0.0,
                        Some("middle") => -wide / 2.0,
                        _ => -wide,
                    };
                    places = [from, from + wide].map(|dx| (x.unwrap() + dx, y.unwrap())).to_vec();
                }
                assert!(places.iter().all(|place| is_within(*place)), "{name}: {node:?} {places:?} in {size:?}");
            }
            assert!(document.descendants().count() < 50_000, "{name} is too large");
            assert!(!chart.contains(['\u{202e}', '\u{1b}']));
        }
    }

    #[test]
    fn numbers_in_one_unit_are_placed_by_their_size() {
        let axis = |values: &[&str]| Axis {
            path: String::new(),
            values: values.iter().map(|text| AxisValue { text: (*text).to_owned() }).collect(),
            own: None,
            written: None,
        };
        assert_eq!(numbers(&axis(&["$39/month", "$1.2k/month"])), Some(vec![39.0, 1_200.0]));
        assert_eq!(numbers(&axis(&["500ms", "2s", "1m"])), Some(vec![0.5, 2.0, 60.0]));
        assert_eq!(numbers(&axis(&["0", "50k", "1M"])), Some(vec![0.0, 50_000.0, 1_000_000.0]));
        for odd in [["50k", "10k"], ["1/day", "2/month"], ["block", "overage"], ["1mo", "2y"]] {
            assert_eq!(numbers(&axis(&odd)), None, "{odd:?}");
        }
    }

    #[test]
    fn labels_never_touch() {
        let kept = spaced((0..100).map(|at| (f64::from(at) * 7.0, format!("${at}k"))), 12.0);
        assert!(kept.len() > 10 && kept.windows(2).all(|pair| pair[1].0 - pair[0].0 > width("$10k", 12.0)));
    }
}
