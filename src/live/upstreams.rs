//! The scenario's upstreams as a server of their own, for whoever calls them: what they do with a request is drawn here as
//! it is drawn for a call of the load, and handed to the mock as a command.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use farebox_engine::billing::account::Consumer;
use farebox_engine::draw::Address;
use farebox_engine::model::{METERS_MAX, PerMeter, REQUESTS};
use farebox_engine::time::{Span, Time};
use farebox_engine::world::World;
use farebox_engine::world::schedule::Call;
use hyper::StatusCode;
use mock_upstreams::latency::MAX_LATENCY;
use mock_upstreams::{Command, Direct, Directed, Director, Hop, Hops, Server, ServiceSpec, Usage};

use super::route::Routes;

/// Who calls: the draws of a request are those of calls that the first consumer would make.
const CALLER: Consumer = Consumer { cohort: 0, index: 0 };

/// Decides about requests as the scenario says.
struct Upstreams {
    world: Arc<World>,
    routes: Routes,
}

/// Serves the upstreams of a scenario, which has at least one cohort. Errors as [`Server::start`].
pub fn serve(world: Arc<World>, listen: SocketAddr, threads: NonZeroUsize) -> io::Result<Server> {
    let places = |capacity: Option<u32>| capacity.and_then(NonZeroU32::new);
    let named = world.scenario.upstreams.iter().filter_map(|it| Some((it.name.clone(), places(it.capacity)?)));
    let service = ServiceSpec { named: named.collect(), ..ServiceSpec::default() };
    let routes = Routes::new(&world.scenario.routes);
    let director = Some(Director::new(Upstreams { world, routes }));
    Server::start(&mock_upstreams::Options { listen, threads, service, director, ..mock_upstreams::Options::default() })
}

impl Direct for Upstreams {
    fn direct(&self, request: &Directed<'_>, command: &mut String) -> Result<(), String> {
        let route = self.routes.find(request.path).ok_or_else(|| self.unknown(request.path))?;
        let amounts = self.amounts(route, request.number);
        let at = Time::from_ns(i64::try_from(request.at.as_nanos()).unwrap_or(i64::MAX));
        let call = Call { index: request.number, attempt: 1, at, route, usage: self.usage(&amounts) };
        let (hops, last, fails) = self.way(&call);
        let first = self.world.first_token(route, &call.usage, last).filter(|_| fails.is_none());
        let mut usage = String::new();
        let written = Command {
            hops: Some(Hops::parse(&hops).expect("names of upstreams are names of services, and no more than may be")),
            first: first.map(|first| duration(first.min(last))),
            status: fails.and_then(|status| StatusCode::from_u16(status).ok()),
            usage: Usage::write(&mut usage, amounts).ok(),
            ..Command::default()
        };
        write!(command, "{written}").expect("a String takes everything");
        Ok(())
    }
}

impl Upstreams {
    fn unknown(&self, path: &str) -> String {
        let routes: Vec<_> = self.world.scenario.routes.iter().map(|route| route.path.as_str()).collect();
        format!("no route of the scenario begins `{path}`: it has {}\n", routes.join(", "))
    }

    /// What a request carries: the attributes of its route.
    fn amounts(&self, route: u16, number: u64) -> Vec<(&str, u64)> {
        let scenario = &self.world.scenario;
        let own = Address::seed(scenario.seed).named("served upstreams");
        let attributes = scenario.routes[usize::from(route)].attributes.iter();
        attributes
            .map(|attribute| {
                let word = own.named(&attribute.name).stream().word(number);
                (attribute.name.as_str(), attribute.amount.sample_whole(word).min(attribute.most))
            })
            .collect()
    }

    /// The same per meter.
    fn usage(&self, amounts: &[(&str, u64)]) -> PerMeter<u64> {
        let mut usage = [0; METERS_MAX];
        usage[REQUESTS] = 1;
        for (meter, units) in self.world.scenario.meters.iter().zip(&mut usage).skip(1) {
            let counted = amounts.iter().filter(|(name, _)| meter.sum.iter().any(|attribute| attribute == name));
            *units = counted.fold(0, |sum: u64, (_, amount)| sum.saturating_add(*amount));
        }
        usage
    }

    /// The hops of a request up to the one that fails, as a command has them; how long the last takes; and the status that
    /// it fails with.
    fn way(&self, call: &Call) -> (String, Span, Option<u16>) {
        let (mut text, mut last) = (String::new(), Span::ZERO);
        for (number, hop) in self.world.path(call.route).iter().enumerate() {
            let work = self.world.work(CALLER, call, number);
            // The mock takes no longer command; nor does anybody wait for it.
            last = work.takes.min(Span::from_ns(MAX_LATENCY.as_nanos() as u64));
            let name = &self.world.scenario.upstreams[hop.upstream].name;
            let gap = if text.is_empty() { "" } else { "," };
            let hop = Hop { name, depth: hop.depth, latency: duration(last) };
            write!(text, "{gap}{hop}").expect("a String takes everything");
            if work.fails.is_some() {
                return (text, last, work.fails);
            }
        }
        (text, last, None)
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_nanos(span.ns())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write as _};
    use std::net::TcpStream;

    use farebox_engine::distribution::Distribution;
    use farebox_engine::draw::Chance;
    use farebox_engine::model::{
        Arrivals, Attribute, Breaks, Cohort, Errors, Fault, Meter, Plan, Route, Scenario, Upstream,
    };

    use super::*;

    const MS: f64 = 1e6;

    /// A search that asks a ranker, and a model that answers alone.
    fn scenario() -> Scenario {
        let mut scenario = Scenario::new("served", Span::from_secs(1_000));
        scenario.plans.push(Plan::new("free"));
        scenario.cohorts.push(Cohort::new("alone", 1, Arrivals::Poisson { mean_gap_ns: 1e9, spread: None }));
        scenario.upstreams = ["search", "ranker"].map(Upstream::new).into();
        scenario.upstreams[0].calls = vec![1];
        scenario.upstreams[0].latency = Distribution::Constant(30.0 * MS);
        scenario.upstreams[1].latency = Distribution::Uniform { from: MS, to: 9.0 * MS };
        scenario.meters.push(Meter { name: "tokens".to_owned(), sum: vec!["input".to_owned()] });
        let amount = Distribution::Uniform { from: 100.0, to: 900.0 };
        let attributes = vec![Attribute { name: "input".to_owned(), amount, most: 500 }];
        scenario.routes = vec![Route { path: "/search".to_owned(), upstream: 0, attributes }];
        scenario
    }

    fn upstreams(scenario: Scenario) -> Upstreams {
        let world = Arc::new(World::whole(Arc::new(scenario)).unwrap());
        Upstreams { routes: Routes::new(&world.scenario.routes), world }
    }

    fn command(upstreams: &Upstreams, number: u64, at: Duration) -> String {
        let mut text = String::new();
        upstreams.direct(&Directed { path: "/search/a", number, at }, &mut text).unwrap();
        text
    }

    #[test]
    fn a_request_takes_the_way_of_its_route_and_carries_its_attributes() {
        let upstreams = upstreams(scenario());
        for number in 0..50 {
            let text = command(&upstreams, number, Duration::ZERO);
            assert_eq!(text, command(&upstreams, number, Duration::ZERO));
            assert_ne!(text, command(&upstreams, number + 1, Duration::ZERO));
            let written = Command::parse(&text).unwrap();
            let hops: Vec<_> = written.hops.unwrap().iter().collect();
            assert_eq!((hops[0].name, hops[0].depth, hops[0].latency), ("search", 0, Duration::from_millis(30)));
            assert_eq!((hops[1].name, hops[1].depth), ("ranker", 1));
            assert!((Duration::from_millis(1)..=Duration::from_millis(9)).contains(&hops[1].latency));
            let amounts: Vec<_> = written.usage.unwrap().amounts().collect();
            assert!(matches!(amounts[..], [("input", 100..=500)]), "{amounts:?}");
            assert_eq!(written.status, None);
        }
    }

    #[test]
    fn the_one_that_fails_is_the_last_and_faults_come_when_they_are_due() {
        let mut broken = scenario();
        broken.upstreams[1].errors = Errors::of([(402, Chance::of(1, 1))]).unwrap();
        let text = command(&upstreams(broken), 0, Duration::ZERO);
        assert!(text.contains("ranker:1:") && text.contains(";status=402"), "{text}");

        let mut down = scenario();
        let breaks = Breaks::UpstreamDown { upstream: 0 };
        down.faults.push(Fault { at: Span::from_secs(5), lasts: Span::from_secs(5), breaks });
        let down = upstreams(down);
        let failed =
            |seconds| command(&down, 0, Duration::from_secs(seconds)).contains("hops=search:0:30000000;status=500");
        assert_eq!([0, 4, 6, 9, 11].map(failed), [false, false, true, true, false]);
    }

    /// What a client gets from the server of a scenario.
    fn answer(scenario: Scenario, path: &str) -> String {
        let world = Arc::new(World::whole(Arc::new(scenario)).unwrap());
        let server = serve(world, SocketAddr::from(([127, 0, 0, 1], 0)), NonZeroUsize::MIN).unwrap();
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_server_answers_as_the_scenario_says() {
        let served = answer(scenario(), "/search/a?q");
        assert!(served.starts_with("HTTP/1.1 200 ") && served.contains("\r\nmock-usage: input:"), "{served}");
        let mut broken = scenario();
        broken.upstreams[1].errors = Errors::of([(402, Chance::of(1, 1))]).unwrap();
        let failed = answer(broken, "/search");
        assert!(
            failed.starts_with("HTTP/1.1 402 ") && failed.contains("\r\nmock-failed-hop: 1 ranker\r\n"),
            "{failed}"
        );
        assert!(answer(scenario(), "/other").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn a_path_of_no_route_is_told_which_there_are() {
        let request = Directed { path: "/other", number: 0, at: Duration::ZERO };
        let reason = upstreams(scenario()).direct(&request, &mut String::new()).unwrap_err();
        assert_eq!(reason, "no route of the scenario begins `/other`: it has /search\n");
    }
}
