//! The simulation, per request: quota, token bucket, prepaid balance, ledger, latency drawn and recorded; consumers that
//! share nothing, and consumers that share an upstream.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use farebox_benches::{busy, crowd};
use farebox_engine::record::Recorder;
use farebox_engine::sim::{Scratch, play, play_component};
use farebox_engine::world::World;

fn simulation(c: &mut Criterion) {
    let world = World::whole(busy(200).into()).expect("the amounts are small");
    let consumers: Vec<_> = world.consumers().collect();
    let calls: u64 = consumers.iter().map(|consumer| world.calls(*consumer).count() as u64).sum();
    let mut group = c.benchmark_group("simulation");
    group.throughput(Throughput::Elements(calls));
    group.bench_function("request", |b| {
        b.iter(|| {
            let mut recorder = Recorder::over(1, world.scenario.horizon);
            let mut scratch = Scratch::default();
            for consumer in &consumers {
                play(&world, *consumer, &mut recorder, &mut scratch).expect("the amounts are small");
            }
            recorder
        });
    });
    group.finish();
}

/// A hundred thousand consumers who share an upstream of 64 places, loaded to nine tenths.
fn component(c: &mut Criterion) {
    let world = World::whole(crowd(100_000, 64).into()).expect("the amounts are small");
    let calls: u64 = world.consumers().map(|consumer| world.calls(consumer).count() as u64).sum();
    let mut group = c.benchmark_group("simulation");
    group.throughput(Throughput::Elements(calls)).sample_size(10);
    group.bench_function("request of a component", |b| {
        b.iter(|| {
            let mut recorder = Recorder::new(1);
            play_component(&world, world.consumers(), &mut recorder, &mut |_| true).expect("the amounts are small");
            recorder
        });
    });
    group.finish();
}

criterion_group!(benches, simulation, component);
criterion_main!(benches);
