//! A comparison as a page for the terminal. The first three lines of each comparison are what a decision needs; everything
//! below is why.

use std::fmt::Write;

use farebox_engine::billing::price;
use farebox_engine::money::{Currency, thousands};
use farebox_engine::outcome::Metric;

use super::{Case, Concerned, CutShort, Facts, Pairing, Partial, Row, Unit};
use crate::report::statement::largest_remainder;
use crate::report::text::{self, NOBODY_MINDS_PRICES, counted, length};
use crate::visible::on_one_line;

/// Names longer than this are cut, so that no file pushes the figures off the page.
const NAME_MOST: usize = 40;
/// How long a line of names grows.
const LIST_CHARS_MOST: usize = 100;

/// The whole page of one or more comparisons with one base: first what a decision needs of each, then the rest.
pub fn render(comparisons: &[Facts]) -> String {
    let heads: Vec<_> = comparisons.iter().map(head).collect();
    let bodies: Vec<_> = comparisons.iter().map(body).collect();
    format!("{}{}{NOBODY_MINDS_PRICES}", heads.join("\n"), bodies.concat())
}

/// The three lines.
fn head(facts: &Facts) -> String {
    [earned(facts), concerned(facts), refused(facts)].map(|line| line + "\n").concat()
}

fn earned(facts: &Facts) -> String {
    let [base, variant] = [&facts.base, &facts.variant].map(|name| plain(name));
    let Some(row) = facts.of_all(Metric::Earned) else { return format!("{variant} beside {base}: nothing is known") };
    let apart = match facts.pairing {
        Pairing::Paired => "",
        Pairing::Unpaired | Pairing::SameDraws => "not paired: ",
    };
    let money = |amount: f64| amount_of(amount, facts.currency);
    let word = if row.difference < 0.0 { "less" } else { "more" };
    let by = format!("{} {word}", money(row.difference.abs()));
    let share = row.share.map_or(String::new(), |share| format!(" ({} of {})", percent(share), money(row.base)));
    let sure = match (row.settled, row.interval) {
        ("exactly", _) => format!(" exactly: {}", alike(facts)),
        ("no", Some(ends)) => {
            let open = match row.replications_to_settle {
                Some(count) => format!("about {} would settle which way", counted(about(count), "replication")),
                None => "as good as no difference".to_owned(),
            };
            format!(", 95 % interval {}; {open}", ends_of(row, ends, facts.currency))
        }
        (_, Some(ends)) => format!(", 95 % interval {}", ends_of(row, ends, facts.currency)),
        (_, None) => format!(", without an interval: {}", row.no_interval.unwrap_or("it is not known")),
    };
    let partial = partial(facts);
    if row.difference == 0.0 {
        let sure = if row.settled == "exactly" { format!(", {}", alike(facts)) } else { sure };
        return format!("{partial}{apart}{variant} earns what {base} does, {}{sure}", money(row.base));
    }
    format!("{partial}{apart}{variant} earns {by} than {base}{share}{sure}")
}

/// What is missing, and of which side.
fn partial(facts: &Facts) -> String {
    if !facts.is_partial() {
        return String::new();
    }
    let told = |partial: &Partial| {
        let of = match partial.side {
            CutShort::Both => String::new(),
            CutShort::Base => format!(" of {}", plain(&facts.base)),
            CutShort::Variant => format!(" of {}", plain(&facts.variant)),
        };
        let consumers = counted(partial.consumers, "consumer");
        match partial.played {
            all if all == partial.consumers => format!("not all {consumers}{of} in each replication"),
            played => format!("{} of {consumers}{of}", thousands(played.into())),
        }
    };
    format!("PARTIAL, {}: ", facts.partial.iter().map(told).collect::<Vec<_>>().join(", "))
}

/// Why an interval has no width.
fn alike(facts: &Facts) -> String {
    match facts.replications[0] {
        1 => "the same for each consumer".to_owned(),
        runs => format!("the same in each of {} replications", thousands(runs.into())),
    }
}

fn concerned(facts: &Facts) -> String {
    let Some(who) = facts.concerned else {
        return "who pays more and who less is not known: stored results hold no single consumers".to_owned();
    };
    // Of what is shown, so that it adds up.
    let same = facts.played as f64 - tenths(who.pay_more) - tenths(who.pay_less);
    let all = counted(facts.played, "consumer");
    format!("{}, {} the same{}", pay(&who, &all, facts.currency), count(same), mostly(facts, &who))
}

/// How many pay more and how many less, and what that comes to.
fn pay(who: &Concerned, all: &str, currency: Currency) -> String {
    let by = |amount: f64| if amount > 0.0 { format!(" ({})", amount_of(amount, currency)) } else { String::new() };
    let [more, less] = [count(who.pay_more), count(who.pay_less)];
    format!("{more} of {all} pay more{}, {less} less{}", by(who.more_by), by(who.less_by))
}

/// The cohort in which most of them are, where there are several.
fn mostly(facts: &Facts, who: &Concerned) -> String {
    let moved = |who: &Concerned| who.pay_more + who.pay_less;
    let most = facts.cohorts.iter().max_by(|a, b| moved(&a.concerned).total_cmp(&moved(&b.concerned)));
    let Some(most) = most.filter(|_| facts.cohorts.len() > 1) else { return String::new() };
    let (own, all) = (moved(&most.concerned), moved(who));
    if own <= all / 2.0 {
        return String::new();
    }
    let how_many = if own < all { format!("{} of them", count(own)) } else { "all of them".to_owned() };
    format!("; {how_many} {}", plain(&most.cohort))
}

fn refused(facts: &Facts) -> String {
    let calls = facts.of_all(Metric::Refused).map_or(String::new(), |row| {
        let share =
            |refused: f64, calls: f64| if calls > 0.0 { percent_plain(refused / calls) } else { "0 %".to_owned() };
        let [base, variant] = facts.of_all(Metric::Calls).map_or([0.0; 2], |calls| [calls.base, calls.variant]);
        format!("{} of calls refused in place of {}", share(row.variant, variant), share(row.base, base))
    });
    match facts.concerned {
        Some(who) => {
            format!("{} newly refused, {} no longer; {calls}", count(who.newly_refused), count(who.no_longer_refused))
        }
        None => format!("how many are newly refused is not known; {calls}"),
    }
}

/// Everything below.
fn body(facts: &Facts) -> String {
    let mut text = heading(facts);
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for row in &facts.differences {
        if !groups.contains(&(row.of, row.name.as_str())) {
            groups.push((row.of, &row.name));
        }
    }
    // Of one cohort alone all has been said once it is said of all.
    if groups.iter().filter(|(of, _)| *of == "cohort").count() == 1 {
        groups.retain(|(of, _)| *of == "all");
    }
    let mut alike = Vec::new();
    for (of, name) in groups {
        let rows: Vec<_> = facts.differences.iter().filter(|row| row.of == of && row.name == name).collect();
        if of == "all" || rows.iter().any(|row| row.differs()) {
            text += &differences(&title(rows[0]), &whom(facts, rows[0]), &rows, facts.currency);
        } else {
            alike.push(title(rows[0]));
        }
    }
    if !alike.is_empty() {
        text.push('\n');
        text += &listed("No difference in anything: ", &alike);
    }
    text + &waterfall(facts) + &affected(facts) + &evidence(facts)
}

fn heading(facts: &Facts) -> String {
    let [base, variant] = [&facts.base, &facts.variant].map(|name| plain(name));
    let runs = match facts.replications {
        [1, 1] => String::new(),
        [one, other] if one == other => format!(" · means over {}", counted(one, "replication")),
        [one, other] => format!(" · means over {} and {}", thousands(one.into()), counted(other, "replication")),
    };
    let seeds = match facts.seeds {
        [one, other] if one == other => format!("seed {one}"),
        [one, other] => format!("seeds {one} and {other}"),
    };
    let consumers = counted(facts.consumers, "consumer");
    let mut text =
        format!("\n── {variant} beside {base} · {consumers} · {} · {seeds}{runs}\n", length(facts.horizon_ns));
    if let Some(who) = facts.concerned {
        for (alone, side) in [(who.only_in_base, &base), (who.only_in_variant, &variant)] {
            if alone > 0 {
                writeln!(text, "only in {side}: {}, counted whole", counted(alone, "consumer")).expect(IN_MEMORY);
            }
        }
    }
    for note in &facts.notes {
        writeln!(text, "{note}").expect(IN_MEMORY);
    }
    text
}

const IN_MEMORY: &str = "a String takes everything";

fn title(row: &Row) -> String {
    match row.of {
        "all" => "All consumers".to_owned(),
        "plan" => format!("All on {}", plain(&row.name)),
        _ => format!("{} ({})", plain(&row.name), plain(&row.plan)),
    }
}

/// Who of a cohort wins and loses, as the second and third line have it of all.
fn whom(facts: &Facts, row: &Row) -> String {
    let of_it = |cohort: &&super::ConcernedCohort| row.of == "cohort" && cohort.cohort == row.name;
    let Some(cohort) = facts.cohorts.iter().find(of_it) else { return String::new() };
    let who = &cohort.concerned;
    let mut parts = Vec::new();
    if who.pay_more + who.pay_less > 0.0 {
        parts.push(pay(who, &thousands(cohort.consumers.into()), facts.currency));
    }
    if who.newly_refused + who.no_longer_refused > 0.0 {
        parts.push(format!("{} newly refused, {} no longer", count(who.newly_refused), count(who.no_longer_refused)));
    }
    if parts.is_empty() { String::new() } else { format!("  {}\n", parts.join("; ")) }
}

/// What differs, each with its interval; what is alike in both is told in one line.
fn differences(title: &str, whom: &str, rows: &[&Row], currency: Currency) -> String {
    let differing: Vec<_> = rows.iter().filter(|row| row.differs()).collect();
    let cells = |row: &&&Row| {
        let interval = match row.interval {
            Some(_) if row.settled == "exactly" => "exactly".to_owned(),
            Some(ends) => ends_of(row, ends, currency),
            None => String::new(),
        };
        [
            label(row.metric).to_owned(),
            signed(row, row.difference, currency),
            interval,
            row.share.map_or(String::new(), percent),
            format!("{} → {}", value(row, row.base, currency), value(row, row.variant, currency)),
        ]
    };
    let cells: Vec<_> = differing.iter().map(cells).collect();
    let mut text = format!("\n{title}\n{whom}{}", grid(&cells));
    if let Some(why) = rows.iter().find_map(|row| row.no_interval) {
        writeln!(text, "  no intervals: {why}").expect(IN_MEMORY);
    }
    let same: Vec<_> = rows.iter().filter(|row| !row.differs()).map(|row| label(row.metric)).collect();
    if differing.is_empty() {
        text += "  no difference in anything\n";
    } else if !same.is_empty() {
        text += &listed("  no difference in: ", &same);
    }
    text
}

/// Names after a first word, in as many lines as they take.
fn listed(first: &str, names: &[impl AsRef<str>]) -> String {
    let mut lines = vec![first.to_owned()];
    for (at, name) in names.iter().enumerate() {
        let end = if at + 1 < names.len() { ", " } else { "" };
        let line = lines.last_mut().expect("there is a first line");
        if line.chars().count() + name.as_ref().chars().count() > LIST_CHARS_MOST && at > 0 {
            lines.push(format!("    {}{end}", name.as_ref()));
        } else {
            line.push_str(name.as_ref());
            line.push_str(end);
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n") + "\n"
}

/// Lines whose first and last cells are flush left, the others right.
fn grid<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |cell: usize| lines.iter().map(|line| line[cell].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut shown = String::new();
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if at == 0 || at + 1 == N {
                write!(shown, "  {cell:width$}").expect(IN_MEMORY);
            } else {
                write!(shown, "  {cell:>width$}").expect(IN_MEMORY);
            }
        }
        writeln!(text, "{}", shown.trim_end()).expect(IN_MEMORY);
    }
    text
}

/// Lines that add up to the difference in earned revenue, in minor units by largest remainder.
fn waterfall(facts: &Facts) -> String {
    if facts.waterfall.is_empty() {
        return String::new();
    }
    let runs = i128::from(facts.replications[0]);
    let nanos: Vec<_> = facts.waterfall.iter().map(|step| step.nanos).collect();
    let shown = largest_remainder(&nanos, i128::from(price::minor_unit(facts.currency)) * runs);
    let amount = |nanos: i128| plus(nanos, facts.currency.display(nanos / runs).to_string());
    let line = |(step, nanos): (&super::Step, &i128)| {
        [step.part.to_owned(), amount(*nanos), format!("{}   {}", of_consumers(step.consumers), meaning(step.part))]
    };
    let mut lines: Vec<_> = facts.waterfall.iter().zip(&shown).map(line).collect();
    lines.push(["= earned".to_owned(), amount(shown.iter().sum()), String::new()]);
    format!("\nWhere the difference in what is earned comes from\n{}", grid(&lines))
}

fn of_consumers(consumers: f64) -> String {
    format!("{} consumer{}", count(consumers), if (consumers - 1.0).abs() < f64::EPSILON { "" } else { "s" })
}

/// What separates the lives of those whose differences are told by this name.
fn meaning(part: &str) -> &'static str {
    match part {
        "population" => "in one of the two alone",
        "churn" => "left, in one of the two alone or at another time",
        "dunning" => "unpaid invoices came to something else",
        "reactions" => "changed plan or slowed down otherwise, or at another time",
        "refusals" => "refused otherwise, and all else as before",
        "volume" => "called or used another amount",
        _ => "did and got the same: what it costs",
    }
}

fn affected(facts: &Facts) -> String {
    if facts.affected.is_empty() {
        return String::new();
    }
    let line = |case: &Case| {
        let earned = |nanos: Option<i128>| nanos.map_or_else(|| "-".to_owned(), |nanos| cents(nanos, facts.currency));
        let refused = match case.refused {
            [0, 0] => String::new(),
            [before, after] => format!(", refused {} → {}", thousands(before.into()), thousands(after.into())),
        };
        let difference = case.nanos[1].unwrap_or(0) - case.nanos[0].unwrap_or(0);
        [
            plain(&case.consumer),
            plus(difference, cents(difference, facts.currency)),
            case.part.clone(),
            format!("{} → {}{refused}", earned(case.nanos[0]), earned(case.nanos[1])),
        ]
    };
    let lines: Vec<_> = facts.affected.iter().map(line).collect();
    let runs = if facts.replications[0] > 1 { ", in replication 0" } else { "" };
    let mut text = format!("\nMost affected{runs}\n{}", grid(&lines));
    for command in &facts.affected[0].explain {
        writeln!(text, "  {}", on_one_line(command)).expect(IN_MEMORY);
    }
    text
}

/// How sure all that is, and what would make it surer.
fn evidence(facts: &Facts) -> String {
    let mut lines = Vec::new();
    if let Some(times) = facts.of_all(Metric::Earned).and_then(|row| row.narrowed) {
        lines.push(format!("common draws make the interval of what is earned {times:.1} times as narrow"));
    }
    // Of one cohort alone all is said as of all.
    let has_several = facts.differences.iter().filter(|row| row.of == "cohort" && row.metric == "earned").count() > 1;
    let is_told = |row: &&Row| row.of != "cohort" || has_several;
    let open: Vec<_> = facts.differences.iter().filter(is_told).filter(|row| row.settled == "no").collect();
    let mut soon: Vec<_> = open.iter().filter_map(|row| row.replications_to_settle.zip(Some(*row))).collect();
    soon.sort_by_key(|(count, _)| *count);
    for (replications, row) in soon {
        lines.push(format!(
            "about {} would settle {} of {}",
            counted(about(replications), "replication"),
            label(row.metric),
            whose(row)
        ));
    }
    let never: Vec<_> = open.iter().filter(|row| row.replications_to_settle.is_none()).collect();
    if !never.is_empty() {
        let names: Vec<_> = never.iter().map(|row| format!("{} of {}", label(row.metric), whose(row))).collect();
        let told = listed("more than 10,000 replications, as good as no difference: ", &names);
        lines.push(told.trim_end().replace('\n', "\n  "));
    }
    if facts.differences.iter().all(|row| matches!(row.settled, "exactly" | "yes")) {
        lines.push("every difference is settled".to_owned());
    }
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\nHow sure that is\n{}", lines.concat())
}

fn whose(row: &Row) -> String {
    match row.of {
        "all" => "all".to_owned(),
        "plan" => format!("all on {}", plain(&row.name)),
        _ => plain(&row.name),
    }
}

// === Words and figures ===

fn label(metric: &str) -> &str {
    match metric {
        "mrr" => "recurring at the end",
        "refused" => "calls refused",
        "consumers_refused" => "consumers refused",
        "left" => "consumers that left",
        "blocked_days" => "days blocked",
        "calls" => "calls made",
        "served" => "attempts served",
        other => other,
    }
}

fn value(row: &Row, figure: f64, currency: Currency) -> String {
    match row.unit {
        Unit::Money => amount_of(figure, currency),
        Unit::Count => count(figure),
        Unit::Days => format!("{figure:.1}"),
    }
}

fn signed(row: &Row, figure: f64, currency: Currency) -> String {
    let text = value(row, figure, currency);
    if figure > 0.0 { format!("+{text}") } else { text }
}

fn plus(nanos: i128, text: String) -> String {
    if nanos > 0 { format!("+{text}") } else { text }
}

fn ends_of(row: &Row, [from, to]: [f64; 2], currency: Currency) -> String {
    format!("[{}, {}]", signed(row, from, currency), signed(row, to, currency))
}

fn amount_of(major: f64, currency: Currency) -> String {
    cents((major * currency.scale as f64).round() as i128, currency)
}

/// An amount in the minor unit; less than one of it, to a thousandth of it.
fn cents(nanos: i128, currency: Currency) -> String {
    let minor = i128::from(price::minor_unit(currency));
    if nanos.abs() >= minor {
        return text::amount(nanos, 1, currency);
    }
    currency.display(text::half_even(nanos, minor / 1_000) * (minor / 1_000)).to_string()
}

/// A guess, rounded up to two digits: an interval's width is not known better than that.
fn about(count: u64) -> u64 {
    let unit = 10_u64.pow(count.max(1).ilog10().saturating_sub(1));
    count.div_ceil(unit) * unit
}

/// A mean as it is shown.
fn tenths(mean: f64) -> f64 {
    (mean * 10.0).round() / 10.0
}

/// A mean of a count, with one decimal where it is no whole number.
fn count(mean: f64) -> String {
    let tenths = (mean.abs() * 10.0).round() as u128;
    let minus = if mean < 0.0 && tenths > 0 { "-" } else { "" };
    match tenths % 10 {
        0 => format!("{minus}{}", thousands(tenths / 10)),
        tenth => format!("{minus}{}.{tenth}", thousands(tenths / 10)),
    }
}

fn percent(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

fn percent_plain(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A name in one line: what steers a terminal or turns its direction is spelt out, and what is too long is cut in the middle:
/// paths differ at their ends.
fn plain(name: &str) -> String {
    let shown: Vec<char> = on_one_line(name).chars().collect();
    if shown.len() <= NAME_MOST {
        return shown.into_iter().collect();
    }
    let (first, last) = (NAME_MOST / 3, NAME_MOST - 1 - NAME_MOST / 3);
    shown[..first].iter().chain(['…'].iter()).chain(&shown[shown.len() - last..]).collect()
}

#[cfg(test)]
mod tests;
