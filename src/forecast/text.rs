//! A forecast as a page for the terminal: tables whose columns are aligned, and what was left out.

use farebox_engine::money::{CURRENCIES, Currency, thousands};
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};

use super::{AllowanceUse, CohortCalls, CreditUse, Forecast, UpstreamUse};

/// The whole page; warnings are told apart from it.
pub fn render(forecast: &Forecast) -> String {
    let consumers = count(everyone(forecast), "consumer");
    let heading =
        format!("{} · {consumers} · {} · computed, nothing was run\n", forecast.scenario, length(forecast.horizon_ns));
    heading
        + &calls(forecast)
        + &allowances(&forecast.allowances)
        + &credit(forecast, "Prepaid credit", "> opening", &forecast.credit)
        + &credit(forecast, "Wallets", "> in the wallet", &forecast.wallets)
        + &late_hearing(forecast)
        + &upstreams(&forecast.upstreams)
        + &load(forecast)
        + &simulation(forecast)
        + &left_out(forecast)
}

fn calls(forecast: &Forecast) -> String {
    let row = |name: &str, plan: &str, consumers: u64, expected: f64, deviation: f64| {
        let each = if consumers > 0 { decimal(expected / consumers as f64) } else { String::new() };
        [name.to_owned(), plan.to_owned(), thousands(consumers.into()), each, whole(expected), plus_minus(deviation)]
    };
    let cohort =
        |calls: &CohortCalls| row(&calls.cohort, &calls.plan, calls.consumers.into(), calls.expected, calls.deviation);
    let mut rows: Vec<_> = forecast.cohorts.iter().map(cohort).collect();
    rows.push(row("in all", "", everyone(forecast), forecast.expected, forecast.deviation));
    let header = ["< cohort", "< plan", "> consumers", "> each", "> expected", "> one deviation"];
    let drawn = forecast.cohorts.iter().filter_map(|cohort| cohort.drawn_sessions).min();
    let drawn = drawn
        .map(|drawn| format!("  what comes of sessions is estimated from {} drawn ones\n", thousands(drawn.into())));
    columns("Calls", header, &rows) + &drawn.unwrap_or_default()
}

fn allowances(uses: &[AllowanceUse]) -> String {
    let row = |of: &AllowanceUse| {
        let period = if of.period == "horizon" { "in all".to_owned() } else { format!("a {}", of.period) };
        [
            of.cohort.clone(),
            of.plan.clone(),
            format!("{} {} {period}", thousands(of.allowance.into()), of.meter),
            length(of.period_ns),
            decimal(of.mean_use),
            of.reached_after_ns.map_or("not reached".to_owned(), |ns| format!("after {}", length(ns))),
            of.chance.map_or("not forecast".to_owned(), percent),
            of.calls_beyond.map_or("not forecast".to_owned(), |calls| format!("{} {}", decimal(calls), of.beyond)),
        ]
    };
    let header = [
        "< cohort",
        "< plan",
        "< includes",
        "> first period",
        "> mean use",
        "> reaches it",
        "> run out",
        "> calls beyond, each",
    ];
    let rows: Vec<_> = uses.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { columns("Allowances", header, &rows) }
}

fn credit(forecast: &Forecast, title: &str, opening: &'static str, uses: &[CreditUse]) -> String {
    let currency = Currency::from_code(&forecast.currency).unwrap_or(CURRENCIES[0]);
    let row = |of: &CreditUse| {
        let nanos = of.opening.parse().expect("the forecast has written a whole number");
        [
            of.cohort.clone(),
            of.plan.clone(),
            currency.display(nanos).to_string(),
            of.used_after_ns.map_or("not used up".to_owned(), |ns| format!("after {}", length(ns))),
            of.chance.map_or("not forecast".to_owned(), percent),
        ]
    };
    let header = ["< cohort", "< plan", opening, "> used at the mean rate", "> run out within the horizon"];
    let rows: Vec<_> = uses.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { columns(title, header, &rows) }
}

/// Nothing where everything is heard of at once.
fn late_hearing(forecast: &Forecast) -> String {
    let Some(hearing) = &forecast.late_hearing else { return String::new() };
    let row = |label: String, figure: String, note: String| [label, figure, note];
    let share = |share: f64| if share == 0.0 { "none".to_owned() } else { percent(share) };
    let estimated = format!("estimated from {} drawn delays", thousands(hearing.drawn.into()));
    let mut rows = vec![
        row("on average".into(), length(rough(hearing.mean_ns)), estimated),
        row("at most".into(), length(hearing.most_ns), "then the gateway asks for what it has not heard".into()),
        row("found by asking".into(), share(hearing.asked), "no webhook tells of these before".into()),
    ];
    for later in &hearing.later {
        rows.push(row(format!("later than {}", length(later.than_ns)), share(later.share), String::new()));
    }
    for waits in &hearing.waits {
        let (all, calls) = (length(rough(waits.blocked_ns as u64)), decimal(waits.calls));
        let note = format!("refused for {all} all together, with {calls} of their calls, though they have paid");
        rows.push(row(format!("{}: sign-ups", waits.cohort), whole(waits.consumers), note));
    }
    columns("Heard of payments by webhook", ["< ", "> ", "< "], &rows)
}

/// Where there are several, or one has a limit.
fn upstreams(uses: &[UpstreamUse]) -> String {
    if uses.len() == 1 && uses[0].capacity.is_none() {
        return String::new();
    }
    let time = |ns: f64| if ns.is_finite() { length(ns as u64) } else { "no bound".to_owned() };
    let row = |of: &UpstreamUse| {
        let capacity = of.capacity.map_or("any number".to_owned(), |capacity| thousands(capacity.into()));
        let (works, stays) = (time(of.works_ns), time(of.stays_ns));
        [of.upstream.clone(), whole(of.calls), works, stays, decimal(of.at_once), decimal(of.at_once_in_load), capacity]
    };
    let header =
        ["< upstream", "> calls", "> works", "> with what it calls", "> at once", "> in the load", "> capacity"];
    columns("Upstreams, on average and without lines", header, &uses.iter().map(row).collect::<Vec<_>>())
}

fn load(forecast: &Forecast) -> String {
    let load = &forecast.load;
    let p99 = load.in_flight_p99.map_or("no bound".to_owned(), |calls| thousands(calls.into()));
    let row = |label: &str, figure: String, note: String| [label.to_owned(), figure, note];
    let mut rows = vec![
        row(
            "calls",
            whole(load.calls),
            format!(
                "{}, at {} a second for {}",
                plus_minus(load.deviation),
                decimal(load.rate_per_s),
                length(load.duration_ns)
            ),
        ),
        row(
            "in flight on average",
            decimal(load.in_flight_mean),
            "calls ÷ duration × mean latency (Little's law)".to_owned(),
        ),
        row("in flight at the p99", p99, "as if every call were served".to_owned()),
        row("connections allowed", thousands(load.connections.into()), "one call at a time each".to_owned()),
        row("in flight allowed", thousands(load.in_flight.into()), load.beyond().to_owned()),
        row("billing time", length(load.billing_ns), format!("{} each second", length(load.billing_ns_per_s))),
    ];
    if load.measured_ns < load.duration_ns {
        let note = "without its warm-up and cool-down".to_owned();
        rows.insert(1, row("measured", length(load.measured_ns), note));
    }
    if load.is_closed {
        rows.retain(|[label, ..]| !label.starts_with("in flight") && !label.starts_with("connections"));
        let note =
            "a closed loop: the answers say when calls are made, at most those above in at most that time".to_owned();
        rows.insert(1, row("connections", thousands(load.connections.into()), note));
    } else if load.has_peak() {
        let peak = format!("{} a second", decimal(load.peak_rate_per_s));
        let busiest = if load.has_stages { "in the busiest stage" } else { "in the busiest quarter of an hour" };
        rows.insert(1, row(busiest, peak, "what the p99 is of".to_owned()));
    } else if load.cuts_sessions {
        let peak = format!("{} a second", decimal(load.peak_rate_per_s));
        let note = "what the p99 is of: sessions have then begun, and many are not over".to_owned();
        rows.insert(1, row("at the end", peak, note));
    }
    columns("Load on sockets", ["< ", "> ", "< "], &rows)
}

fn simulation(forecast: &Forecast) -> String {
    let (work, components) = (&forecast.simulation, forecast.components);
    let row = |label: &str, figure: String, note: String| [label.to_owned(), figure, note];
    let threads = count(work.threads, "thread");
    let rows = [
        row("calls", whole(work.calls), "with those of periods that began before the start".to_owned()),
        row(
            "components",
            thousands(components.count.into()),
            format!("at most {} each", count(components.largest, "consumer")),
        ),
        row(
            "time",
            length(rough(work.time_ns)),
            format!("{:.0} ns a call and core (optimised build), on {threads}", work.ns_per_call),
        ),
        row(
            "memory",
            format!("{} MiB", work.memory_bytes.div_ceil(1 << 20)),
            match work.bytes_per_consumer {
                0 => format!("the program, {} kB per cohort and thread, and traces", work.bytes_per_cohort / 1_000),
                bytes => format!("the program, {bytes} bytes per consumer, who are all played at once, and traces"),
            },
        ),
    ];
    columns("Simulation, estimated", ["< ", "> ", "< "], &rows)
}

fn everyone(forecast: &Forecast) -> u64 {
    forecast.cohorts.iter().map(|cohort| u64::from(cohort.consumers)).sum()
}

fn left_out(forecast: &Forecast) -> String {
    if forecast.not_forecast.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = forecast.not_forecast.iter().map(|what| format!("  {what}\n")).collect();
    format!("\nNot forecast\n{}", lines.concat())
}

// === Figures and columns ===

/// A title, a header and rows. A header begins with the side on which its column is flush: `<` or `>`.
fn columns<const N: usize>(title: &str, header: [&str; N], rows: &[[String; N]]) -> String {
    let names = header.map(|name| name[2..].to_owned());
    let is_named = names.iter().any(|name| !name.is_empty());
    let lines: Vec<&[String; N]> = is_named.then_some(&names).into_iter().chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let mut text = format!("\n{title}\n");
    for line in &lines {
        let cells = line.iter().zip(header).enumerate().map(|(column, (cell, name))| {
            let width = width(column);
            if name.starts_with('<') { format!("  {cell:width$}") } else { format!("  {cell:>width$}") }
        });
        text += cells.collect::<String>().trim_end();
        text.push('\n');
    }
    text
}

fn count(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count.into()), if count == 1 { "" } else { "s" })
}

/// A figure as a whole number, thousands apart.
fn whole(figure: f64) -> String {
    if figure.is_finite() { thousands(figure.round() as u128) } else { "no bound".to_owned() }
}

/// A figure with one decimal place, where it is small enough for that to say something and has one.
fn decimal(figure: f64) -> String {
    let tenths = (figure * 10.0).round();
    if figure >= 1_000.0 || tenths % 10.0 == 0.0 { whole(figure) } else { format!("{:.1}", tenths / 10.0) }
}

fn plus_minus(deviation: f64) -> String {
    format!("± {}", whole(deviation))
}

/// A chance. What is not certain is never shown as 0 or 100.
fn percent(chance: f64) -> String {
    match chance * 100.0 {
        percent if percent < 0.05 => "< 0.1 %".to_owned(),
        percent if percent > 99.95 => "> 99.9 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// Two digits of an estimate; more would promise too much.
fn rough(ns: u64) -> u64 {
    let place = 10u64.pow(ns.checked_ilog10().unwrap_or(0).saturating_sub(1));
    ns.saturating_add(place / 2) / place * place
}

/// A length of time in the largest unit of which it has one.
pub fn length(ns: u64) -> String {
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")];
    if let Some((unit, name)) = units.into_iter().find(|(unit, _)| ns >= *unit) {
        let figure = decimal(ns as f64 / unit as f64);
        return format!("{figure} {name}{}", if figure == "1" { "" } else { "s" });
    }
    let short = [(SECOND, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns")];
    let (unit, name) = short.into_iter().find(|(unit, _)| ns >= *unit).unwrap_or((1, "ns"));
    format!("{} {name}", decimal(ns as f64 / unit as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!([0.0, 0.04, 9.96, 60.87, 999.0, 1_234.5].map(decimal), ["0", "0", "10", "60.9", "999", "1,235"]);
        assert_eq!(
            [0, 55, 1_500, 9 * SECOND, 90 * MINUTE, DAY, 30 * DAY].map(length),
            ["0 ns", "55 ns", "1.5 µs", "9 s", "1.5 hours", "1 day", "30 days"]
        );
        assert_eq!([0.0, 0.5214, 1.0].map(percent), ["< 0.1 %", "52.1 %", "> 99.9 %"]);
        assert_eq!([0, 7, 977_845, 995].map(rough), [0, 7, 980_000, 1_000]);
        assert_eq!(plus_minus(f64::INFINITY), "± no bound");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "1,000".to_owned()], ["längs".to_owned(), "1".to_owned()]];
        assert_eq!(columns("T", ["< n", "> x"], &rows), "\nT\n  n          x\n  a      1,000\n  längs      1\n");
    }
}
