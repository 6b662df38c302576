//! A comparison as tables in CSV: a row per difference, and a row per consumer who is much affected. `reports/README.md`
//! has the columns.

use super::{Concerned, Facts, Unit};
use crate::report::table::write;
use crate::visible::on_one_line;

/// Every table: its file's name and its text.
pub fn all(comparisons: &[Facts]) -> Vec<(&'static str, String)> {
    let mut tables = vec![("compare.csv", differences(comparisons))];
    // Stored outcomes hold no consumers, so an empty table would say that nobody is affected.
    if comparisons.iter().any(|facts| facts.concerned.is_some()) {
        tables.push(("affected.csv", affected(comparisons)));
    }
    tables
}

fn differences(comparisons: &[Facts]) -> String {
    let header = [
        "variant",
        "of",
        "name",
        "plan",
        "metric",
        "unit",
        "base",
        "value",
        "difference",
        "from",
        "to",
        "share",
        "share_from",
        "share_to",
        "narrowed",
        "settled",
        "replications_to_settle",
    ];
    let mut rows = Vec::new();
    for facts in comparisons {
        let (unit, text) = (|of: Unit| name_of(of, facts), |figure: f64| format!("{figure:.6}"));
        for row in &facts.differences {
            let maybe = |figure: Option<f64>| figure.map_or_else(String::new, text);
            let ends = |interval: Option<[f64; 2]>| [0, 1].map(|end| maybe(interval.map(|ends| ends[end])));
            let [from, to] = ends(row.interval);
            let [share_from, share_to] = ends(row.share_interval);
            rows.push(vec![
                on_one_line(&facts.variant),
                row.of.to_owned(),
                on_one_line(&row.name),
                on_one_line(&row.plan),
                row.metric.to_owned(),
                unit(row.unit),
                text(row.base),
                text(row.variant),
                text(row.difference),
                from,
                to,
                maybe(row.share),
                share_from,
                share_to,
                maybe(row.narrowed),
                row.settled.to_owned(),
                row.replications_to_settle.map_or_else(String::new, |count| count.to_string()),
            ]);
        }
        let all = facts.concerned.iter().map(|who| ("all", "", who));
        let cohorts = facts.cohorts.iter().map(|cohort| ("cohort", cohort.cohort.as_str(), &cohort.concerned));
        for (of, name, who) in all.chain(cohorts) {
            for (metric, mean) in counts(who) {
                let mut row = vec![
                    on_one_line(&facts.variant),
                    of.to_owned(),
                    on_one_line(name),
                    String::new(),
                    metric.to_owned(),
                ];
                row.extend([unit(Unit::Count), String::new(), String::new(), text(mean)]);
                row.resize(header.len(), String::new());
                rows.push(row);
            }
        }
        for step in &facts.waterfall {
            let mut row = vec![on_one_line(&facts.variant), "part".to_owned(), step.part.to_owned(), String::new()];
            row.extend(["earned".to_owned(), unit(Unit::Money), String::new(), String::new(), text(step.earned)]);
            row.resize(header.len(), String::new());
            rows.push(row);
        }
    }
    write(&header, &rows)
}

/// Means of how many consumers something is different for.
fn counts(who: &Concerned) -> [(&'static str, f64); 4] {
    [
        ("pay_more", who.pay_more),
        ("pay_less", who.pay_less),
        ("newly_refused", who.newly_refused),
        ("no_longer_refused", who.no_longer_refused),
    ]
}

fn name_of(unit: Unit, facts: &Facts) -> String {
    match unit {
        Unit::Money => facts.currency.code.to_owned(),
        Unit::Count => "count".to_owned(),
        Unit::Days => "days".to_owned(),
    }
}

fn affected(comparisons: &[Facts]) -> String {
    let header = ["variant", "consumer", "part", "base", "value", "difference", "base_refused", "refused", "currency"];
    let amount = |figure: f64| format!("{figure:.6}");
    let maybe = |figure: Option<f64>| figure.map_or_else(String::new, amount);
    let rows = comparisons.iter().flat_map(|facts| {
        facts.affected.iter().map(move |case| {
            vec![
                on_one_line(&facts.variant),
                on_one_line(&case.consumer),
                case.part.clone(),
                maybe(case.base),
                maybe(case.variant),
                amount(case.difference),
                case.refused[0].to_string(),
                case.refused[1].to_string(),
                facts.currency.code.to_owned(),
            ]
        })
    });
    write(&header, &rows.collect::<Vec<_>>())
}
