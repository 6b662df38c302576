//! The load on real sockets.

use farebox_engine::model::{Excess, Live, RateStage};
use farebox_engine::time;

use super::Lowering;
use crate::scenario::diagnostic::{Diagnostic, Spanned};
use crate::scenario::value::{Fields, Value};

impl Lowering<'_> {
    /// What `live` asks for; `None` when something in it was wrong.
    pub(super) fn live(&mut self, fields: &Fields) -> Option<Live> {
        let in_flight = fields.map("in_flight")?;
        let stages = self.stages(fields);
        let duration = match stages.as_deref()? {
            [] => fields.duration("duration")?.value,
            stages => stages.iter().fold(time::Span::ZERO, |sum, stage| sum + stage.length),
        };
        let closed = match fields.map("closed") {
            Some(closed) => Some(u32::try_from(closed.quantity("connections")?.value).ok()?),
            None if fields.is_broken("closed") => return None,
            None => None,
        };
        self.check_closed(fields, closed.is_some());
        let stages = stages?;
        let rate_per_s = match fields.value("rate")?.value {
            Value::Rate(rate) => rate.per_second(),
            _ => RateStage::mean_per_s(&stages),
        };
        let live = Live {
            rate_per_s,
            stages,
            duration,
            warm_up: fields.duration("warm_up")?.value,
            cool_down: fields.duration("cool_down")?.value,
            clock: fields.clock("clock"),
            connections: u32::try_from(fields.quantity("connections")?.value).ok()?,
            in_flight: u32::try_from(in_flight.quantity("at_most")?.value).ok()?,
            excess: match in_flight.choice("beyond")?.value {
                "drop" => Excess::Drop,
                "queue" => Excess::Queue,
                _ => Excess::Fail,
            },
            closed,
        };
        self.check_measured(fields, &live);
        Some(live)
    }

    /// The stages of a rate that has some; `None` when something in it was wrong.
    fn stages(&mut self, live: &Fields) -> Option<Vec<RateStage>> {
        let rate = live.value("rate")?;
        let rate = match &rate.value {
            Value::Rate(value) => {
                self.calls(&Spanned { span: rate.span, value: *value })?;
                return Some(Vec::new());
            }
            Value::Map(rate) => rate,
            _ => return None,
        };
        if let Some(span) = live.written("duration") {
            let problem = Diagnostic::error(span, "a load lasts as long as its stages");
            self.problems.push(problem.help("leave out `duration`, or write one `rate`"));
        }
        let mut before = None;
        let items = rate.list("stages")?;
        let stages = items.iter().map(|item| {
            let Value::Map(stage) = &item.value else { return None };
            let read = self.stage(stage, before);
            before = read.map(|stage: RateStage| stage.to_per_s);
            read
        });
        let stages: Vec<_> = stages.collect();
        (stages.len() == items.len()).then_some(stages)?.into_iter().collect()
    }

    fn stage(&mut self, stage: &Fields, before: Option<f64>) -> Option<RateStage> {
        let length = stage.duration("for")?.value;
        let [rate, to] = ["rate", "to"].map(|key| stage.rate(key));
        let written = rate.as_ref().or(to.as_ref())?;
        let to_per_s = self.calls(written)?.per_second();
        if rate.is_some() {
            return Some(RateStage { length, from_per_s: to_per_s, to_per_s });
        }
        if before.is_none() {
            let problem = Diagnostic::error(written.span, "the first stage has no rate that it could begin at");
            self.problems
                .push(problem.help("begin with a stage that has a `rate`, such as `{ for: 30s, rate: 1k/s }`"));
        }
        Some(RateStage { length, from_per_s: before?, to_per_s })
    }

    /// In a closed loop the answers say when calls are made.
    fn check_closed(&mut self, live: &Fields, is_closed: bool) {
        for key in ["connections", "in_flight"] {
            if let Some(span) = live.written(key).filter(|_| is_closed) {
                let problem =
                    Diagnostic::error(span, format!("a closed load has no `{key}` beside its own connections"));
                self.problems.push(problem.help("leave it out, or leave out `closed`"));
            }
        }
        if let Some(rate) = live.value("rate").filter(|rate| is_closed && matches!(rate.value, Value::Map(_))) {
            let problem =
                Diagnostic::error(rate.span, "a closed load has no stages: the answers say when calls are made");
            self.problems
                .push(problem.help("write one `rate`, which says how many calls there are, or leave out `closed`"));
        }
    }

    fn check_measured(&mut self, fields: &Fields, live: &Live) {
        let [begins, ends] = live.measured();
        if begins < ends {
            return;
        }
        if let Some(span) = fields.written("warm_up").or_else(|| fields.written("cool_down")) {
            let problem = Diagnostic::error(span, "nothing of the load is left to be measured");
            self.problems.push(problem.help("write a longer `duration`, or a shorter `warm_up` and `cool_down`"));
        }
    }
}
