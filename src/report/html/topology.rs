//! The services behind the gateway as a picture: who calls whom, how many calls came to each, and which of them failed
//! calls, above all with a 402. Laid out by depth: from left to right on a desk, from top to bottom on a phone.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use farebox_engine::billing::cause::Cause;
use farebox_engine::money::thousands;
use farebox_engine::outcome::{CohortOutcome, FailedAs, RouteOutcome};

use super::view::{Block, Drawing, Figure, Line, number, short, words};
use super::{capped, compact, figure};
use crate::report::about::About;
use crate::report::text::Mean;

/// Services in a picture at most; more of them are in the table alone.
const DRAWN: usize = 24;

/// What has happened at a service.
#[derive(Default)]
struct Traffic {
    came: u64,
    failed: BTreeMap<(String, u16), u64>,
}

impl Traffic {
    fn of_status(&self, status: u16) -> u64 {
        self.failed.iter().filter(|((_, of), _)| *of == status).map(|(_, calls)| calls).sum()
    }

    /// Those that it has answered with a 402 itself.
    fn unpaid(&self) -> u64 {
        let is_unpaid = |(cause, _): &(String, u16)| cause == Cause::Upstream402.name();
        self.failed.iter().filter(|(how, _)| is_unpaid(how)).map(|(_, calls)| calls).sum()
    }

    fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// The services, with what came to them.
pub(super) fn block(mean: &Mean, about: &About) -> Block {
    let block = Block::new("topology", "Services behind the gateway");
    if about.services.is_empty() {
        return block.says("They are not known: the results have no `about.json` beside them.");
    }
    let traffic = traffic(mean, about);
    let table = capped(
        "Attempts by service: how many came to it, and how it failed them",
        ["service", "calls", "came", "failed", "402", "how"].map(str::to_owned).to_vec(),
        about.services.iter().zip(&traffic).map(|(service, traffic)| row(service, traffic, about, mean)).collect(),
        "failures.csv",
    );
    let unpaid: Vec<_> = about.services.iter().zip(&traffic).filter(|(_, traffic)| traffic.unpaid() > 0).collect();
    let said = if unpaid.is_empty() {
        "No service has answered 402.".to_owned()
    } else {
        let each = unpaid.iter().map(|(service, traffic)| {
            format!("{} ({} times)", short(&service.name, 60), mean.figure(traffic.unpaid()))
        });
        format!("A 402 was said behind the gateway by {}.", each.collect::<Vec<_>>().join(", "))
    };
    if about.services.len() > DRAWN {
        return block.says(said).with([super::Item::Table(table)]);
    }
    let says = format!(
        "The gateway and {} behind it, by how far they are from it: what came to each, and what failed there.",
        crate::report::text::counted(about.services.len() as u64, "service")
    );
    block.says(said).with([figure(Figure {
        id: "services",
        title: "Who calls whom".to_owned(),
        says,
        legend: Vec::new(),
        drawing: draw(about, &traffic, mean),
        table,
    })])
}

fn row(service: &crate::report::about::Service, traffic: &Traffic, about: &About, mean: &Mean) -> Line {
    let called = service.calls.iter().filter_map(|index| about.services.get(*index)).map(|it| it.name.as_str());
    let how =
        traffic.failed.iter().map(|((cause, status), calls)| format!("{cause} ({status}): {}", mean.figure(*calls)));
    Line {
        at: None,
        cells: vec![
            words(&service.name),
            words(called.collect::<Vec<_>>().join(", ")),
            number(mean.figure(traffic.came)),
            number(mean.figure(traffic.failures())),
            number(mean.figure(traffic.of_status(402))),
            words(how.collect::<Vec<_>>().join(", ")),
        ],
    }
}

/// What came to each service, and failed there. An attempt comes to the services of its route in their order, until one
/// fails it; to one that is there several times it is counted once.
fn traffic(mean: &Mean, about: &About) -> Vec<Traffic> {
    let mut traffic: Vec<Traffic> = about.services.iter().map(|_| Traffic::default()).collect();
    for (path, route) in mean.outcome.cohorts.iter().flat_map(|cohort| &cohort.routes) {
        let Some(hops) = about.routes.get(path) else { continue };
        come(&mut traffic, hops, route, about);
    }
    traffic
}

fn come(traffic: &mut [Traffic], hops: &[usize], route: &RouteOutcome, about: &About) {
    let mut left = route.served + route.failed + route.in_flight;
    let mut seen = BTreeSet::new();
    for hop in hops.iter().filter(|hop| seen.insert(**hop)) {
        let (Some(own), Some(service)) = (traffic.get_mut(*hop), about.services.get(*hop)) else { continue };
        own.came += left;
        for (FailedAs { cause, status, .. }, calls) in
            route.failures.iter().filter(|(it, _)| it.upstream == service.name)
        {
            *own.failed.entry((cause.clone(), *status)).or_default() += calls;
            left = left.saturating_sub(*calls);
        }
    }
}

// === The picture ===

#[derive(Template)]
#[template(config = "src/report/html/askama.toml", path = "topology.svg")]
struct Picture {
    arrows: Vec<Arrow>,
    boxes: Vec<Node>,
    width: i32,
    height: i32,
}

/// A line from one box to another, and the corners of its head.
struct Arrow {
    from: (i32, i32),
    to: (i32, i32),
    head: [(i32, i32); 2],
}

struct Node {
    x: i32,
    y: i32,
    name: String,
    came: String,
    failed: String,
    unpaid: String,
}

const BOX: (i32, i32) = (150, 86);
const GAP: (i32, i32) = (44, 14);

fn draw(about: &About, traffic: &[Traffic], mean: &Mean) -> Drawing {
    let layers = layers(about);
    let across = layers.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let deep = layers.len() as i32 + 1;
    // On a desk layers are columns; on a phone they are rows, of two boxes each.
    let wide = |layer: usize, nth: usize| (4 + layer as i32 * (BOX.0 + GAP.0), 4 + nth as i32 * (BOX.1 + GAP.1));
    let wide_size = ((deep * (BOX.0 + GAP.0)).max(760), 8 + across as i32 * (BOX.1 + GAP.1));
    let narrow_tops = narrow_tops(&layers);
    let narrow = |layer: usize, nth: usize| {
        (4 + (nth % 2) as i32 * (BOX.0 + 20), narrow_tops[layer] + (nth / 2) as i32 * (BOX.1 + GAP.1))
    };
    let narrow_size = (340, narrow_tops[layers.len() + 1]);
    let one = |place: &dyn Fn(usize, usize) -> (i32, i32), is_wide| {
        let boxes = boxes(&layers, about, traffic, mean, place);
        let arrows = arrows(&layers, about, place, is_wide);
        let picture = Picture { arrows, boxes, width: BOX.0, height: BOX.1 };
        picture.render().expect("a picture is written to memory")
    };
    Drawing {
        wide: one(&wide, true),
        wide_size: (wide_size.0 as u32, wide_size.1 as u32),
        wide_plot: [0, 0],
        narrow: one(&narrow, false),
        narrow_size: (narrow_size.0, narrow_size.1 as u32),
        narrow_plot: [0, 0],
    }
}

/// Where each layer begins on a phone, that of the gateway first, and where the picture ends.
fn narrow_tops(layers: &[Vec<usize>]) -> Vec<i32> {
    let mut tops = vec![4];
    let mut at = 4 + BOX.1 + GAP.0;
    for layer in layers {
        tops.push(at);
        at += layer.len().div_ceil(2) as i32 * (BOX.1 + GAP.1) - GAP.1 + GAP.0;
    }
    tops.push(at - GAP.0 + 8);
    tops
}

/// The services by how far they are from the gateway, by the longest way. What nobody calls is in the first layer.
fn layers(about: &About) -> Vec<Vec<usize>> {
    let count = about.services.len();
    let mut depth = vec![0_usize; count];
    // No way is longer than there are services; a file that says otherwise is drawn no deeper.
    for _ in 0..count {
        for (index, service) in about.services.iter().enumerate() {
            for called in service.calls.iter().filter(|called| **called < count) {
                depth[*called] = depth[*called].max((depth[index] + 1).min(count - 1));
            }
        }
    }
    let deepest = depth.iter().copied().max().unwrap_or(0);
    let layer = |of: usize| (0..count).filter(|index| depth[*index] == of).collect::<Vec<_>>();
    (0..=deepest).map(layer).filter(|layer| !layer.is_empty()).collect()
}

fn boxes(
    layers: &[Vec<usize>],
    about: &About,
    traffic: &[Traffic],
    mean: &Mean,
    place: &dyn Fn(usize, usize) -> (i32, i32),
) -> Vec<Node> {
    let all: u64 = mean.outcome.cohorts.iter().map(CohortOutcome::offered).sum();
    let counted = |calls: u64, what: &str| match mean.each(calls) {
        0 => String::new(),
        calls if calls < 100_000 => format!("{} {what}", thousands(calls.into())),
        calls => format!("{} {what}", compact(calls as f64)),
    };
    let (x, y) = place(0, 0);
    let gateway = Node {
        x,
        y,
        name: "gateway".to_owned(),
        came: counted(all, "attempts"),
        failed: String::new(),
        unpaid: String::new(),
    };
    let mut boxes = vec![gateway];
    for (layer, services) in layers.iter().enumerate() {
        for (nth, index) in services.iter().enumerate() {
            let (x, y) = place(layer + 1, nth);
            let own = &traffic[*index];
            boxes.push(Node {
                x,
                y,
                name: short(&about.services[*index].name, 17),
                came: if own.came == 0 { "nothing came".to_owned() } else { counted(own.came, "came") },
                failed: counted(own.failures(), "failed"),
                unpaid: counted(own.unpaid(), "times 402"),
            });
        }
    }
    boxes
}

fn arrows(
    layers: &[Vec<usize>],
    about: &About,
    place: &dyn Fn(usize, usize) -> (i32, i32),
    is_wide: bool,
) -> Vec<Arrow> {
    let at = |index: usize| {
        layers.iter().enumerate().find_map(|(layer, services)| {
            let nth = services.iter().position(|it| *it == index)?;
            Some(place(layer + 1, nth))
        })
    };
    let arrow = |from: (i32, i32), (x, y): (i32, i32)| {
        if is_wide {
            let to = (x, y + BOX.1 / 2);
            let head = [-4, 4].map(|aside| (to.0 - 9, to.1 + aside));
            Arrow { from: (from.0 + BOX.0, from.1 + BOX.1 / 2), to, head }
        } else {
            let to = (x + BOX.0 / 2, y);
            let head = [-4, 4].map(|aside| (to.0 + aside, to.1 - 9));
            Arrow { from: (from.0 + BOX.0 / 2, from.1 + BOX.1), to, head }
        }
    };
    let first: BTreeSet<usize> = about.routes.values().filter_map(|hops| hops.first().copied()).collect();
    let entries = first.into_iter().filter_map(|index| Some(arrow(place(0, 0), at(index)?)));
    let calls = about
        .services
        .iter()
        .enumerate()
        .flat_map(|(index, service)| service.calls.iter().map(move |called| (index, *called)).collect::<Vec<_>>());
    entries.chain(calls.filter_map(|(from, to)| Some(arrow(at(from)?, at(to)?)))).collect()
}

#[cfg(test)]
mod tests {
    use farebox_engine::model::Scenario;
    use farebox_engine::time::Span;

    use super::*;
    use crate::report::about::{Played, Service};

    fn about(calls: &[&[usize]]) -> About {
        let mut about = About::of(&Scenario::new("x", Span::from_secs(1)), Played::Simulated);
        let service = |(nth, calls): (usize, &&[usize])| Service {
            name: format!("s{nth}"),
            calls: calls.to_vec(),
            capacity: None,
        };
        about.services = calls.iter().enumerate().map(service).collect();
        about
    }

    #[test]
    fn services_are_as_deep_as_their_longest_way() {
        assert_eq!(layers(&about(&[&[1, 2], &[2], &[], &[]])), [vec![0, 3], vec![1], vec![2]]);
        // Such files are not ours, and end all the same.
        assert!(layers(&about(&[&[1], &[0], &[9]])).len() <= 3);
    }

    /// Of 100 calls, 10 fail at the first service and 5 at the second: 90 come to the second, 85 to the third.
    #[test]
    fn what_fails_earlier_does_not_come_to_the_next() {
        let about = about(&[&[1], &[2], &[]]);
        let mut traffic: Vec<_> = (0..3).map(|_| Traffic::default()).collect();
        let failed = |upstream: &str, status| FailedAs {
            upstream: upstream.to_owned(),
            cause: if status == 402 { "upstream_402" } else { "upstream_error" }.to_owned(),
            status,
        };
        let failures = [(failed("s0", 500), 10), (failed("s1", 402), 5)].into();
        let route = RouteOutcome { served: 85, failed: 15, failures, ..RouteOutcome::default() };
        come(&mut traffic, &[0, 1, 2, 1], &route, &about);
        assert_eq!(
            traffic.iter().map(|it| (it.came, it.failures(), it.unpaid())).collect::<Vec<_>>(),
            [(100, 10, 0), (90, 5, 5), (85, 0, 0)]
        );
    }
}
