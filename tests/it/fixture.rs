//! Scenarios for tests, from text or from the folder of this name.

use std::path::Path;
use std::sync::Arc;

use farebox::scenario;
use farebox_engine::model::Scenario;
use farebox_engine::world::World;

/// The scenario in a text; it has no trace.
pub(crate) fn parse(text: &str) -> Scenario {
    match scenario::parse("test.yaml", text, Path::new("")) {
        Ok(loaded) => loaded.scenario,
        Err(rejected) => panic!("{rejected}: {:?}", rejected.diagnostics),
    }
}

/// The scenario in a file.
pub(crate) fn load(path: &Path) -> Scenario {
    match scenario::load(path) {
        Ok(loaded) => loaded.scenario,
        Err(error) => panic!("{error}: {error:?}"),
    }
}

/// The scenario `tests/it/fixture/NAME`.
pub(crate) fn named(name: &str) -> Scenario {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixture").join(name))
}

/// The load of a scenario, ready to be played.
pub(crate) fn scaled(scenario: Scenario) -> Arc<World> {
    let live = scenario.live.clone();
    Arc::new(World::scaled(Arc::new(scenario), &live).unwrap())
}
