//! Test clocks: customers whose time stands still until it is sent ahead. Here any number of customers may follow one.

use serde_json::{Value, json};

use super::call::Call;
use super::error::{ApiError, Outcome};
use super::list::Page;
use super::table::Object;

/// A clock that stands still.
#[derive(Clone, Debug)]
pub(super) struct TestClock {
    id: String,
    created: i64,
    name: Option<String>,
    pub(super) frozen_time: i64,
}

impl Object for TestClock {
    const NAME: &'static str = "test_helpers.test_clock";
    const LABEL: &'static str = "test_clock";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": Self::NAME,
            "created": self.created,
            // It never deletes itself.
            "deletes_after": null,
            "frozen_time": self.frozen_time,
            "livemode": false,
            "name": self.name,
            "status": "ready",
            "status_details": {},
        })
    }
}

/// A hundred years from now are far enough for anybody, and every sum of them can be had.
fn take_frozen_time(call: &mut Call<'_>) -> Outcome<i64> {
    let time = call.params.integer("frozen_time")?.ok_or_else(|| call.params.missing("frozen_time"))?;
    let latest = call.state.clock.now() + 36_600 * super::clock::DAY;
    if (0..=latest).contains(&time) {
        return Ok(time);
    }
    let message = "Invalid frozen_time: seconds since 1970, at most a hundred years from now";
    Err(call.params.wrong("frozen_time", None, message))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let frozen_time = take_frozen_time(call)?;
    let name = call.params.value("name")?;
    call.params.finish()?;
    call.state.room(1)?;
    let created = call.state.clock.now();
    let clock = TestClock { id: call.state.ids.next("clock_", 24), created, name, frozen_time };
    let told = clock.render();
    call.state.clocks.insert(clock);
    call.state.emit("test_helpers.test_clock.created", created, told.clone());
    Ok(told)
}

pub(super) fn advance(call: &mut Call<'_>) -> Outcome {
    let frozen_time = take_frozen_time(call)?;
    call.params.finish()?;
    let clock = call.state.clocks.at_mut(call.id)?;
    if frozen_time <= clock.frozen_time {
        let message =
            "The time to advance to must be after the test clock's current frozen_time: clocks never go back.";
        return Err(ApiError::refused(None, message).about("frozen_time"));
    }
    clock.frozen_time = frozen_time;
    let told = clock.render();
    let now = call.state.clock.now();
    call.state.emit("test_helpers.test_clock.advancing", now, told.clone());
    call.state.emit("test_helpers.test_clock.ready", now, told.clone());
    Ok(told)
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.clocks.at(call.id).map(Object::render)
}

/// Deletes a clock, and the customers that follow it with all that is theirs.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    let whole = call.state.clocks.at(call.id)?.render();
    let state = &mut *call.state;
    let of_clock = state.customers.values().filter(|customer| customer.test_clock.as_deref() == Some(call.id));
    let customers: std::collections::BTreeSet<String> = of_clock.map(|customer| customer.id().to_owned()).collect();
    let theirs = |customer: &Option<String>| customer.as_ref().is_some_and(|customer| customers.contains(customer));
    let intents: std::collections::BTreeSet<String> =
        state.payments.values().filter(|intent| theirs(&intent.customer)).map(|intent| intent.id.clone()).collect();
    state.refunds.retain(|refund| !intents.contains(&refund.payment_intent));
    state.charges.retain(|charge| !intents.contains(&charge.payment_intent));
    state.payments.retain(|intent| !intents.contains(&intent.id));
    state.setups.retain(|intent| !theirs(&intent.customer));
    state.methods.retain(|method| !theirs(&method.customer));
    state.customers.retain(|customer| !customers.contains(customer.id()));
    state.clocks.remove(call.id);
    let now = state.clock.now();
    state.emit("test_helpers.test_clock.deleted", now, whole);
    Ok(json!({ "id": call.id, "object": TestClock::NAME, "deleted": true }))
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    call.params.finish()?;
    page.of(&call.state.clocks, call.path, |_| true)
}
