//! The gate alone: one request admitted and served, with all rules on.

use criterion::{Criterion, criterion_group, criterion_main};
use farebox_benches::{UNITS, busy};
use farebox_engine::billing::account::Consumer;
use farebox_engine::billing::gate::Decision;
use farebox_engine::model::{Price, UnitPrice};
use farebox_engine::money::Money;
use farebox_engine::time::{SECOND, Time};
use farebox_engine::world::World;

fn gate(c: &mut Criterion) {
    let mut scenario = busy(1);
    scenario.plans[0].allowance[0] = Some(u64::MAX - 1);
    let price = UnitPrice { amount: Money::from_nanos(1), per: 1 };
    scenario.plans[0].prices[UNITS] = Some(Price::PerUnit(price));
    let world = World::whole(scenario.into()).expect("the amounts are small");
    let mut party = world.open(Consumer { cohort: 0, index: 0 }).expect("the amounts are small");
    let usage = world.schedule.call(Consumer { cohort: 0, index: 0 }, 0).1;
    let mut at = Time::START;
    c.bench_function("gate/admit and serve", |b| {
        b.iter(|| {
            at = at + farebox_engine::time::Span::from_ns(SECOND);
            let now = farebox_engine::time::Now { traffic: at, billing: Time::START };
            match world.request(&mut party, now, 0, 1) {
                Ok(Decision::Admit(admission)) => {
                    world.served(&mut party, now, admission.hold, &usage).expect("the amounts are small");
                }
                other => panic!("the bench measures admitted calls, not {other:?}"),
            }
        });
    });
}

criterion_group!(benches, gate);
criterion_main!(benches);
