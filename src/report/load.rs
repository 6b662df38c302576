//! A load on sockets as a page for the terminal.

use farebox_engine::money::{Currency, thousands};
use farebox_engine::time::{DAY, HOUR, MINUTE, SECOND};

use super::section::{self, Row, Section, row};
use super::text::{counted, duration};
use crate::live::collector::reconcile::{Reconciled, Sum};
use crate::live::result::{Cpu, ForeignReport, LoadReport, Measured, Percentiles, Sockets};
use crate::live::validity::Reason;

/// The page about the sockets; what became of the calls is the outcome's page.
pub fn render(load: &LoadReport) -> String {
    section::text(&sections(load))
}

/// The same as sections.
pub fn sections(load: &LoadReport) -> Vec<Section> {
    let note = "of billing time in each second; rate limits go by the wall's";
    let compressed = row("compressed", span(load.billing_ns_per_s), note);
    let processor = load.processor.as_ref().map(|found| processor(found, &load.outcome.currency));
    page(&load.sockets, [compressed].into_iter().chain(processor).collect())
}

/// What the payment processor holds, beside the books.
fn processor(found: &Reconciled, currency: &str) -> Row {
    row("processor", thousands(found.processor.payments.into()), said_of(found, currency))
}

/// The same in words.
pub fn said_of(found: &Reconciled, currency: &str) -> String {
    let of = |sum: &Sum| {
        let Some(currency) = Currency::from_code(currency) else { return sum.minor.to_string() };
        let unit = i128::from(currency.scale) / 10_i128.pow(currency.exponent.into());
        currency.display(i128::from(sum.minor) * unit).to_string()
    };
    let Reconciled { books, processor, under_way, gone_back, differ, unanswered, .. } = found;
    let held = format!("payments of {} are held", of(processor));
    let compared = if *differ == 0 {
        ": the same as the books".to_owned()
    } else {
        let (books, payments) = (of(books), counted(books.payments, "payment"));
        format!(", and the books say {payments} of {books}: {} differ", counted(*differ, "account"))
    };
    // Money that the page above says was collected, or that the processor holds, and that the two sums leave out.
    let beside = |sum: &Sum, what: &str| match sum.payments {
        0 => String::new(),
        payments => format!("; {} of {} {what}", counted(payments, "payment"), of(sum)),
    };
    let missing = match unanswered {
        0 => String::new(),
        _ => format!("; {} missing at the end", counted(*unanswered, "answer")),
    };
    let gone_back =
        beside(gone_back, "more were collected and have gone back, which no account had heard of by the end");
    held + &compared + &gone_back + &beside(under_way, "under way at the end: held, and not yet collected") + &missing
}

/// The page about a load on a gateway that is not ours.
pub fn render_foreign(load: &ForeignReport) -> String {
    section::text(&sections_foreign(load))
}

/// The same as sections.
pub fn sections_foreign(load: &ForeignReport) -> Vec<Section> {
    let mut rows = vec![row("target", load.target.clone(), ""), row("books", "none", load.books)];
    let of = |name: &str, calls: u64| row(name, thousands(calls.into()), "");
    rows.extend(load.sockets.classes.iter().map(|(class, calls)| of(class, *calls)));
    rows.extend(load.sockets.refused.iter().map(|(kind, calls)| of(&format!("refused: {kind}"), *calls)));
    rows.extend(load.sockets.reasons.iter().map(|(reason, calls)| of(&format!("said: {reason}"), *calls)));
    rows.extend(load.sockets.top_ups.iter().map(|(status, times)| of(&format!("bought credit: {status}"), *times)));
    page(&load.sockets, rows)
}

fn page(load: &Sockets, beside: Vec<Row>) -> Vec<Section> {
    let count = |label: &str, calls: u64| row(label, thousands(calls.into()), "");
    let mut rows = vec![row("verdict", load.validity.verdict.name(), "")];
    rows.extend(load.validity.reasons.iter().map(|reason| row("", "", why(*reason, load))));
    rows.push(count("offered", load.offered));
    if load.retried > 0 {
        rows.push(row("tried again", thousands(load.retried.into()), "attempts beside the first of each call"));
        rows.push(row("served by a retry", thousands(load.recovered.into()), "of the calls"));
    }
    rows.push(row("sent", thousands(load.sent.into()), format!("over {}", counted(load.connected, "connection"))));
    if !load.is_closed {
        rows.push(row("sent late", thousands(load.late.into()), "more than 1 ms after the intended start"));
    }
    rows.extend([count("dropped", load.dropped), count("completed", load.completed)]);
    rows.extend(load.statuses.iter().map(|(status, calls)| count(&format!("answered {status}"), *calls)));
    rows.extend(load.errors.iter().map(|(error, calls)| count(&format!("no answer: {error}"), *calls)));
    rows.extend(beside);
    if load.interrupted {
        rows.push(row("PARTIAL", "", "interrupted before all calls were made"));
    }
    if load.unfinished > 0 {
        rows.push(count("unfinished", load.unfinished));
    }
    [Section::of("Load", rows), measured(load), times(load), work(load)].into_iter().flatten().collect()
}

/// What of the load is measured, and what it came to a second.
fn measured(load: &Sockets) -> Option<Section> {
    let Measured { from_ns, until_ns, offered_per_s, answered_per_s } = load.measured;
    let window = format!("{} to {}", duration(from_ns), duration(until_ns));
    let books = "of the load; the books and the counts above hold all of it, because accounts do not forget";
    let per_s = |per_s: f64| format!("{per_s:.1} a second");
    let offered = (!load.is_closed).then(|| row("offered", per_s(offered_per_s), "attempts that were due then"));
    let answered = row(if load.is_closed { "throughput" } else { "answered" }, per_s(answered_per_s), "attempts");
    let rows: Vec<_> = [row("measured", window, books)].into_iter().chain(offered).chain([answered]).collect();
    Section::of("Rates", rows)
}

fn times(load: &Sockets) -> Option<Section> {
    if load.is_closed {
        let note = "latency from the intended start does not exist: the answers say when calls are made";
        return Section::of("Service time", vec![percentiles("service time", &load.service_ns), row("", "", note)]);
    }
    let mut latency: Vec<_> = load.latency_ns.iter().map(|(class, ns)| percentiles(class, ns)).collect();
    latency.extend(load.first_token_ns.iter().map(|ns| percentiles("first token", ns)));
    latency.push(percentiles("service time", &load.service_ns));
    latency.extend(load.lateness_ns.iter().map(|ns| percentiles("sent late by", ns)));
    latency.extend(load.lag_ns.iter().map(|ns| percentiles("of it the generator's", ns)));
    Section::of("Latency from the intended start", latency)
}

/// What the threads have worked.
fn work(load: &Sockets) -> Option<Section> {
    let of = |(role, cpu): (&&str, &Cpu)| {
        let note = format!(
            "{} an attempt; the busiest of {} {:.0}% of the time",
            duration(cpu.ns_per_attempt),
            counted(cpu.worked.threads, "thread"),
            100.0 * cpu.busiest_share,
        );
        row(*role, duration(cpu.worked.cpu_ns), note)
    };
    let mut rows: Vec<_> = load.cpu.iter().map(of).collect();
    if let Some(ceiling) = &load.ceiling {
        let share = 100.0 * load.measured.answered_per_s / ceiling.per_s;
        let note = format!("of a server that does nothing; this load has come to {share:.0}% of it");
        rows.push(row("the generator's most", format!("{:.0} a second", ceiling.per_s), note));
    }
    Section::of("CPU time", rows)
}

/// Why a load is not valid, and what to do.
pub fn why(reason: Reason, load: &Sockets) -> String {
    let of = |attempts: u64| format!("{} of {}", thousands(attempts.into()), counted(load.offered, "call"));
    match reason {
        Reason::Overflow => {
            "more calls were in flight than `live.in_flight` allows, and `beyond: fail` ends the load then".to_owned()
        }
        Reason::Dropped { attempts } => format!(
            "{} were not sent because too many were in flight; lower the rate, or raise `live.in_flight` and `live.connections`",
            of(attempts)
        ),
        Reason::NoPort { attempts } => {
            format!(
                "{} found no free port; write fewer `live.connections`, or widen `ip_local_port_range`",
                of(attempts)
            )
        }
        Reason::NoDescriptor { attempts } | Reason::Unconnected { attempts } => {
            format!("{} found no connection; raise the limit of open files with `ulimit -n`", of(attempts))
        }
        Reason::NothingMeasured => "nothing was answered in the measured time".to_owned(),
        Reason::Lag { ns } => format!(
            "the generator was behind: 1 % of the calls were released more than {} late; lower the rate, or load with more cores",
            duration(ns)
        ),
        Reason::Late { ns } => format!(
            "1 % of the calls were sent more than {} late; raise `live.connections`, or lower the rate",
            duration(ns)
        ),
        Reason::Busy { share } => {
            format!(
                "a thread of the generator worked {:.0}% of the time; lower the rate, or load with more cores",
                100.0 * share
            )
        }
        Reason::NearCeiling { per_s, ceiling_per_s } => format!(
            "{per_s:.0} calls a second are within a fifth of the {ceiling_per_s:.0} that this generator makes of a server that does nothing: they are not the gateway's maximum"
        ),
    }
}

/// A span as people read it, in the largest unit that it has at least one of.
fn span(ns: u64) -> String {
    let units = [(DAY, "days"), (HOUR, "h"), (MINUTE, "min")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ns >= *unit).unwrap_or((SECOND, "s"));
    format!("{:.2} {name}", ns as f64 / unit as f64)
}

fn percentiles(label: &str, ns: &Percentiles) -> Row {
    let known = [("p90", ns.p90), ("p99", ns.p99), ("p99.9", ns.p999), ("max", Some(ns.max))];
    let known = known.into_iter().filter_map(|(name, ns)| Some(format!("{name} {}", duration(ns?))));
    let note = known.chain([counted(ns.count, "call")]).collect::<Vec<_>>().join("   ");
    row(label, ns.p50.map_or_else(|| "-".to_owned(), |p50| format!("p50 {}", duration(p50))), note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(payments: u64, minor: i64) -> Sum {
        Sum { payments, minor }
    }

    /// What the books have collected is what is held and what has gone back unheard of: 4,131 and 5 dollars.
    #[test]
    fn sums_that_differ_from_those_collected_say_what_is_left_out() {
        let equal = Reconciled { books: sum(4_593, 413_100), processor: sum(4_593, 413_100), ..Reconciled::default() };
        let said = |found: Reconciled| said_of(&found, "USD");
        assert_eq!(said(equal), "payments of $4,131.00 are held: the same as the books");
        assert_eq!(
            said(Reconciled { gone_back: sum(5, 500), under_way: sum(41, 4_100), ..equal }),
            "payments of $4,131.00 are held: the same as the books; 5 payments of $5.00 more were collected and have gone \
             back, which no account had heard of by the end; 41 payments of $41.00 under way at the end: held, and not \
             yet collected"
        );
        assert_eq!(
            said(Reconciled { processor: sum(1, 100), differ: 1, ..equal }),
            "payments of $1.00 are held, and the books say 4,593 payments of $4,131.00: 1 account differ"
        );
    }
}
