//! Where the calls went: over time, in all, by cohort and cause, and by their last attempt.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use farebox_engine::money::thousands;
use farebox_engine::outcome::{CohortOutcome, Outcome, RouteOutcome, Timeline};
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};

use super::chart::{self, Axis, Bar, Series, Ticks};
use super::view::{Answer, Block, Figure, Line, Table, Tone, number, short, words};
use super::{capped, compact, figure, percent, ratio, table, tables};
use crate::report::about::About;
use crate::report::text::{self, LAST_ATTEMPTS, Mean, by_cause};

/// Rows of the heat map.
const HEAT: usize = 60;
/// How long a name is there; names of others are as long as they like.
const NAME: usize = 60;

pub(super) fn total(mean: &Mean, of: impl Fn(&CohortOutcome) -> u64) -> u64 {
    mean.outcome.cohorts.iter().map(of).sum()
}

pub(super) fn refused(cohort: &CohortOutcome) -> u64 {
    cohort.refused.values().sum()
}

/// What became of the calls, in words.
pub(super) fn answers(mean: &Mean) -> Vec<Answer> {
    let offered = total(mean, CohortOutcome::offered);
    if offered == 0 {
        return vec![Answer { tone: "plain", head: "No calls".to_owned(), text: "Nobody has called.".to_owned() }];
    }
    let attempts = if total(mean, |cohort| cohort.retried) > 0 { "attempts at calls" } else { "calls" };
    let (served, failed) = (total(mean, |cohort| cohort.served), total(mean, |cohort| cohort.failed));
    let all_refused = total(mean, refused);
    let mut causes: Vec<_> = text::sum(mean.outcome.cohorts.iter().map(|cohort| &cohort.refused)).into_iter().collect();
    causes.sort_by_key(|(_, calls)| Reverse(*calls));
    let most = causes.first().map_or_else(String::new, |(cause, calls)| {
        let part = if *calls == all_refused { "all" } else { "most" };
        format!(", {part} of them for {cause}")
    });
    let part = |calls: u64, rest: &str| match calls {
        0 => "none".to_owned(),
        calls => format!("{} ({}){rest}", mean.figure(calls), percent(ratio(calls, offered))),
    };
    let said = format!(
        "{} of {} {attempts}. Refused: {}. Failed behind the gateway: {}.",
        mean.figure(served),
        mean.figure(offered),
        part(all_refused, &most),
        part(failed, ""),
    );
    vec![Answer { tone: "plain", head: format!("{} served", percent(ratio(served, offered))), text: said }]
}

/// Where the calls went.
pub(super) fn block(outcome: &Outcome, mean: &Mean, all: &str, about: &About) -> Block {
    let mut block = Block::new("calls", "Where the calls went");
    if outcome.replication_count() > 1 {
        block = block.says("Counts are means over the replications; the picture over time is of the first.");
    }
    block = block.with(over_time(outcome));
    let sections = mean.calls(all);
    let statuses = |section: &crate::report::section::Section| {
        let mut table = table(section, "calls.csv");
        with_statuses(&mut table, about);
        super::Item::Table(table)
    };
    block = block.with(sections.iter().filter(|section| section.title != LAST_ATTEMPTS).map(statuses));
    block.with(tables(mean.usage().into_iter().chain(mean.wrong()), "calls.csv"))
}

/// Adds the status that a refusal was answered with.
fn with_statuses(table: &mut Table, about: &About) {
    let status = |label: &str| about.statuses.get(label.strip_prefix("refused: ")?);
    table.head.insert(1, "status".to_owned());
    for row in &mut table.rows {
        let said = status(&row.cells[0].text).map_or_else(String::new, u16::to_string);
        row.cells.insert(1, words(said));
    }
}

/// What became of calls, by the step of the timeline in which they were made.
struct Went {
    what: String,
    tone: Tone,
    calls: Vec<u64>,
}

/// The causes that refused most have a tone of their own each; all others share the last.
const REFUSED: [Tone; 5] = [Tone::Refused, Tone::Four, Tone::Five, Tone::Three, Tone::Axis];

/// What became of calls, in the order of the stack.
fn went(outcome: &Outcome) -> Vec<Went> {
    let answered = timeline(outcome);
    let mut refused: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (cause, calls) in outcome.cohorts.iter().flat_map(|cohort| &cohort.timeline.refused) {
        let all = refused.entry(cause).or_insert_with(|| vec![0; answered.len()]);
        all.iter_mut().zip(calls).for_each(|(sum, more)| *sum += more);
    }
    let mut refused: Vec<_> = refused.into_iter().collect();
    refused.sort_by_key(|(_, calls)| Reverse(calls.iter().sum::<u64>()));
    let others = refused.split_off(refused.len().min(REFUSED.len() - 1));
    let mut rest: Vec<u64> = answered.iter().map(|[served, unserved]| served + unserved).collect();
    let served = answered.iter().map(|[served, _]| *served).collect();
    let mut went = vec![Went { what: "served".to_owned(), tone: Tone::Served, calls: served }];
    let of = |((cause, calls), tone): ((&str, Vec<u64>), Tone)| Went { what: format!("refused: {cause}"), tone, calls };
    went.extend(refused.into_iter().zip(REFUSED).map(of));
    if !others.is_empty() {
        let mut calls = vec![0; answered.len()];
        for (_, more) in &others {
            calls.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        went.push(Went { what: format!("refused: {} other causes", others.len()), tone: REFUSED[4], calls });
    }
    for part in &went {
        rest.iter_mut().zip(&part.calls).for_each(|(rest, calls)| *rest = rest.saturating_sub(*calls));
    }
    went.push(Went { what: "failed, or open at the end".to_owned(), tone: Tone::Failed, calls: rest });
    went.retain(|part| part.calls.iter().any(|calls| *calls > 0));
    went
}

/// The calls of each step of the timeline: those that were served, and all others.
pub(super) fn timeline(outcome: &Outcome) -> Vec<[u64; 2]> {
    let steps = outcome.cohorts.iter().map(|cohort| cohort.timeline.offered.len()).max().unwrap_or(0);
    let sum = |of: fn(&Timeline) -> &Vec<u64>, step: usize| -> u64 {
        outcome.cohorts.iter().filter_map(|cohort| of(&cohort.timeline).get(step)).sum()
    };
    let at = |step| {
        let [served, offered] = [sum(|it| &it.served, step), sum(|it| &it.offered, step)];
        [served, offered.saturating_sub(served)]
    };
    (0..steps).map(at).collect()
}

/// Where each step of the timeline begins, of all the time.
pub(super) fn steps(outcome: &Outcome) -> impl Fn(usize) -> f64 + use<> {
    let (bucket, horizon) = (outcome.bucket_ns as f64, outcome.horizon_ns.max(1) as f64);
    move |step| (step as f64 * bucket / horizon).min(1.0)
}

/// Ticks in whole units of time.
pub(super) fn ticks(horizon_ns: u64) -> Ticks {
    let units = [(DAY, "day"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (SECOND / 1_000, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| horizon_ns >= 3 * *unit).unwrap_or((SECOND / 1_000, "ms"));
    let count = horizon_ns / unit;
    let every =
        [1, 2, 5, 7, 10, 14, 30, 60, 90, 180, 365, 730].into_iter().find(|every| count / every <= 8).unwrap_or(count);
    let said = |nth: u64| if unit == DAY { format!("{name} {nth}") } else { format!("{nth} {name}") };
    (0..=count / every).map(|nth| nth * every).map(|nth| ((nth * unit) as f64 / horizon_ns as f64, said(nth))).collect()
}

/// When a step begins, in words.
pub(super) fn when(ns: u64, horizon_ns: u64) -> String {
    let of = |unit: u64| super::decimals(ns as f64 / unit as f64);
    match horizon_ns {
        long if long >= 3 * DAY => format!("day {}", of(DAY)),
        long if long >= 3 * HOUR => format!("{} h", of(HOUR)),
        long if long >= 3 * MINUTE => format!("{} min", of(MINUTE)),
        _ => format!("{} s", of(SECOND)),
    }
}

/// Whether an attempt is not a call yet.
fn is_retried(outcome: &Outcome) -> bool {
    outcome.cohorts.iter().any(|cohort| cohort.retried > 0)
}

fn over_time(outcome: &Outcome) -> Option<super::Item> {
    let went = went(outcome);
    let steps = went.first().map_or(0, |part| part.calls.len());
    if steps < 2 || outcome.bucket_ns == 0 {
        return None;
    }
    let begins = self::steps(outcome);
    let series = went.iter().map(|part| Series {
        tone: part.tone,
        points: part.calls.iter().enumerate().map(|(step, calls)| [begins(step), *calls as f64]).collect(),
    });
    let most = (0..steps).map(|step| went.iter().map(|part| part.calls[step]).sum::<u64>()).max().unwrap_or(0);
    let drawing = chart::stacked(
        &series.collect::<Vec<_>>(),
        &ticks(outcome.horizon_ns),
        &Axis { most: most as f64, said: &compact },
    );
    let row = |step: usize| Line {
        at: Some(f64::midpoint(begins(step), begins(step + 1))),
        cells: std::iter::once(words(when((step as u64).saturating_mul(outcome.bucket_ns), outcome.horizon_ns)))
            .chain(went.iter().map(|part| number(thousands(part.calls[step].into()))))
            .collect(),
    };
    let head = std::iter::once("from".to_owned()).chain(went.iter().map(|part| part.what.clone())).collect();
    let step = super::time(outcome.bucket_ns as f64);
    let what = if is_retried(outcome) { "Attempts at calls" } else { "Calls" };
    let table = Table {
        rows: (0..steps).map(row).collect(),
        ..capped(&format!("{what} by when they were made, in steps of {step}"), head, Vec::new(), "timeline.csv")
    };
    Some(figure(Figure {
        id: "over-time",
        title: format!("{what} over time"),
        says: format!(
            "{what} made in each {step}, by what became of them: served at the bottom, then refused, the commonest cause first, \
             then failed behind the gateway or open at the end. At most {} in one step.",
            thousands(most.into())
        ),
        legend: went.iter().map(|part| (part.tone, part.what.clone())).collect(),
        drawing,
        table,
    }))
}

// === Refusals by cohort ===

/// What share of the attempts was refused: by plan and cohort, and by cause.
pub(super) fn refusals(mean: &Mean) -> Option<Block> {
    let cohorts = &mean.outcome.cohorts;
    let causes: Vec<_> = text::sum(cohorts.iter().map(|cohort| &cohort.refused)).into_keys().collect();
    if causes.is_empty() {
        return None;
    }
    let mut plans: Vec<(&str, Vec<&CohortOutcome>)> = Vec::new();
    for cohort in cohorts {
        match plans.iter_mut().find(|(plan, _)| *plan == cohort.plan) {
            Some((_, alike)) => alike.push(cohort),
            None => plans.push((&cohort.plan, vec![cohort])),
        }
    }
    let mut rows = Vec::new();
    for (plan, cohorts) in &plans {
        rows.extend(cohorts.iter().map(|cohort| heat([&cohort.cohort, plan], &[cohort], &causes, mean)));
        if cohorts.len() > 1 {
            rows.push(heat(["all of the plan", plan], cohorts, &causes, mean));
        }
    }
    let more = rows.len().saturating_sub(HEAT);
    rows.truncate(HEAT);
    let head = ["cohort", "plan"].into_iter().chain(causes.iter().map(String::as_str)).chain(["of attempts"]);
    let caption = "Share of the attempts that was refused, by plan, cohort and cause";
    let table = Table {
        more: (more > 0).then(|| format!("… and {more} more in refusals.csv")),
        is_heat: true,
        ..capped(caption, head.map(str::to_owned).collect(), rows, "")
    };
    let block = Block::new("refusals", "Who was refused");
    Some(block.says("The darker, the larger the share of the cohort's attempts.").with([super::Item::Table(table)]))
}

/// A row of the heat map: of these cohorts together.
fn heat([cohort, plan]: [&str; 2], of: &[&CohortOutcome], causes: &[String], mean: &Mean) -> Line {
    let offered: u64 = of.iter().map(|cohort| cohort.offered()).sum();
    let cell = |cause: &String| {
        let calls = of.iter().filter_map(|cohort| cohort.refused.get(cause)).sum();
        let part = ratio(calls, offered);
        // Small shares are most of them, and are to be told apart.
        let shade = (part > 0.0).then(|| (part.sqrt() * 8.0).ceil().clamp(1.0, 8.0) as u8);
        let text = if part > 0.0 { percent(part) } else { "0".to_owned() };
        super::Cell { shade, ..number(text) }
    };
    let names = [words(short(cohort, NAME)), words(short(plan, NAME))];
    let all = number(mean.figure(offered));
    Line { at: None, cells: names.into_iter().chain(causes.iter().map(cell)).chain([all]).collect() }
}

// === Retries ===

/// What became of the calls that were tried again.
pub(super) fn retries(mean: &Mean) -> Block {
    let block = Block::new("retries", "What became of retries");
    let cohorts = &mean.outcome.cohorts;
    let retried = total(mean, |cohort| cohort.retried);
    if retried == 0 {
        return block.says("No client has tried a call again.");
    }
    let last: Vec<_> = cohorts.iter().flat_map(|cohort| cohort.routes.values()).map(RouteOutcome::calls).collect();
    let sum = |of: fn(&RouteOutcome) -> u64| last.iter().map(of).sum::<u64>();
    let recovered = sum(|route| route.again.recovered);
    let failed: Vec<_> = last.iter().map(|route| by_cause(&route.failures)).collect();
    let abandoned = |counts: BTreeMap<String, u64>, tone: Tone| {
        counts.into_iter().map(move |(cause, calls)| (format!("abandoned: {cause}"), calls, tone)).collect::<Vec<_>>()
    };
    let mut ends = vec![("recovered".to_owned(), recovered, Tone::Served)];
    ends.extend(abandoned(text::sum(last.iter().map(|route| &route.refused)), Tone::Refused));
    ends.extend(abandoned(text::sum(failed.iter()), Tone::Failed));
    ends.retain(|(_, calls, _)| *calls > 0);
    let abandoned: u64 = ends.iter().skip(usize::from(recovered > 0)).map(|(_, calls, _)| calls).sum();
    let said = format!(
        "{} further attempts have served {} calls that had not been served at first; {} calls were abandoned in the end.",
        mean.figure(retried),
        mean.figure(recovered),
        mean.figure(abandoned),
    );
    let bars: Vec<_> = ends
        .iter()
        .map(|(label, calls, tone)| Bar {
            label: label.clone(),
            from: 0.0,
            parts: vec![(*tone, *calls as f64)],
            figure: mean.figure(*calls),
        })
        .collect();
    let table = mean.calls("").iter().find(|section| section.title == LAST_ATTEMPTS).map(|it| table(it, "calls.csv"));
    let figure = table.filter(|_| !bars.is_empty()).map(|table| {
        figure(Figure {
            id: "last-attempts",
            title: "Calls that were not served at once, by how they ended".to_owned(),
            says: "By the last attempt: recovered, or abandoned with what was answered then.".to_owned(),
            legend: Vec::new(),
            drawing: chart::rows(&bars),
            table,
        })
    });
    block.says(said).with(figure)
}
