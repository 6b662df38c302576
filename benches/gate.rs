//! The gate alone: one request admitted and served, with all rules on.

use criterion::{Criterion, criterion_group, criterion_main};
use farebox_benches::busy;
use farebox_engine::billing::account::Consumer;
use farebox_engine::billing::catalog::ONE_REQUEST;
use farebox_engine::billing::gate::{Decision, View};
use farebox_engine::time::{SECOND, Time};
use farebox_engine::world::World;

fn gate(c: &mut Criterion) {
    let mut scenario = busy(1);
    scenario.plans[0].allowance[0] = Some(u64::MAX - 1);
    scenario.plans[0].prices[0].as_mut().expect("the plan has a price").amount =
        farebox_engine::money::Money::from_nanos(1);
    let world = World::whole(scenario.into()).expect("the amounts are small");
    let mut account = world.open(Consumer { cohort: 0, index: 0 }).expect("the amounts are small");
    let mut at = Time::START;
    c.bench_function("gate/admit and serve", |b| {
        b.iter(|| {
            at = at + farebox_engine::time::Span::from_ns(SECOND);
            let now = farebox_engine::time::Now { traffic: at, billing: Time::START };
            match account.request(now, &world.catalog, View::ReadThrough) {
                Ok(Decision::Admit(admission)) => {
                    account.served(now, &world.catalog, admission.hold, &ONE_REQUEST).expect("the amounts are small");
                }
                other => panic!("the bench measures admitted calls, not {other:?}"),
            }
        });
    });
}

criterion_group!(benches, gate);
criterion_main!(benches);
