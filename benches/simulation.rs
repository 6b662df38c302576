//! The simulation, per request: quota, token bucket, prepaid balance, ledger, latency drawn and recorded.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use farebox_benches::busy;
use farebox_engine::record::Recorder;
use farebox_engine::sim::{Scratch, play};
use farebox_engine::world::World;

fn simulation(c: &mut Criterion) {
    let world = World::whole(busy(200).into()).expect("the amounts are small");
    let consumers: Vec<_> = world.consumers().collect();
    let calls: u64 = consumers.iter().map(|consumer| world.calls(*consumer).count() as u64).sum();
    let mut group = c.benchmark_group("simulation");
    group.throughput(Throughput::Elements(calls));
    group.bench_function("request", |b| {
        b.iter(|| {
            let mut recorder = Recorder::new(1);
            let mut scratch = Scratch::default();
            for consumer in &consumers {
                play(&world, *consumer, &mut recorder, &mut scratch).expect("the amounts are small");
            }
            recorder
        });
    });
    group.finish();
}

criterion_group!(benches, simulation);
criterion_main!(benches);
