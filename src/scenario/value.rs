//! What the reader makes of nodes, by the table: values in their units, and maps of them by key.

use farebox_engine::draw::Chance;
pub(super) use farebox_engine::model::Length;
use farebox_engine::model::{Failures, HandOut, Period, Share, UnitPrice};
use farebox_engine::money::{Currency, Money};
use farebox_engine::time::{self, Clock};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::diagnostic::{Span, Spanned};
use super::keys::{Rule, Table};
use super::node::Node;
use super::threshold::Threshold;

/// A value in its unit.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Choice(&'static str),
    Currency(Currency),
    Moment(DateTime),
    Zone(TimeZone),
    Bool(bool),
    Failure(Failures),
    Quantity(u64),
    Number(f64),
    Duration(time::Span),
    Length(Length),
    Rate(Rate),
    Money(Money),
    Fee(Fee),
    Commission(Commission),
    Allowance(Allowance),
    Price(UnitPrice),
    Chance(Chance),
    Share(Share),
    Clock(Clock),
    HandOut(HandOut),
    Threshold(Box<Threshold>),
    /// Not read yet: it is merged onto something first.
    Overlay(Node),
    List(Vec<Spanned<Value>>),
    Map(Fields),
}

/// So many events per span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) events: u64,
    pub(super) per: time::Span,
}

/// A recurring amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fee {
    pub(super) amount: Money,
    pub(super) period: Period,
}

/// What is taken of an amount: a share, and something fixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Commission {
    pub(super) share: Share,
    pub(super) fixed: Money,
}

/// Units per period; without one, per the fee's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) units: u64,
    pub(super) period: Option<Period>,
}

/// The keys of a map: those of its table, given or by default, and those that the user named.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    /// What asked for the map: its own key. What is missing in it is reported there.
    pub(super) owner: Span,
    pub(super) table: &'static Table,
    pub(super) entries: Vec<Entry>,
    /// The keys that unknown ones were said to mean.
    pub(super) misspelt: Vec<&'static str>,
}

/// One key of a map.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Spanned<String>,
    /// `None` once something was wrong with it, which has been reported.
    pub(super) value: Option<Spanned<Value>>,
    pub(super) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    File,
    Default,
}

impl Rate {
    /// Events a second, for what is measured in floats.
    pub(super) fn per_second(self) -> f64 {
        self.events as f64 / self.per.as_secs_f64()
    }

    /// Whether it is more than so many a second.
    pub(super) fn exceeds(self, events_per_s: u64) -> bool {
        u128::from(self.events) * u128::from(time::SECOND) > u128::from(events_per_s) * u128::from(self.per.ns())
    }
}

impl Fields {
    /// Where a key is written, whatever became of its value; `None` when it is not in the file.
    pub(super) fn written(&self, name: &str) -> Option<Span> {
        self.entry(name).filter(|entry| entry.origin == Origin::File).map(|entry| entry.name.span)
    }

    /// The keys that the user named, in the order of the file.
    pub(super) fn named(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| self.table.key(&entry.name.value).is_none())
    }

    /// The keys that the user named and whose values are maps.
    pub(super) fn named_maps(&self) -> impl Iterator<Item = (&Spanned<String>, &Fields)> {
        self.named().filter_map(|entry| match &entry.value.as_ref()?.value {
            Value::Map(fields) => Some((&entry.name, fields)),
            _ => None,
        })
    }

    pub(super) fn text(&self, name: &str) -> Option<Spanned<&str>> {
        self.project(name, |value| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
    }

    pub(super) fn choice(&self, name: &str) -> Option<Spanned<&'static str>> {
        self.project(name, |value| if let Value::Choice(word) = value { Some(*word) } else { None })
    }

    pub(super) fn currency(&self, name: &str) -> Option<Currency> {
        self.project(name, |value| if let Value::Currency(it) = value { Some(*it) } else { None }).map(|it| it.value)
    }

    pub(super) fn moment(&self, name: &str) -> Option<Spanned<DateTime>> {
        self.project(name, |value| if let Value::Moment(moment) = value { Some(*moment) } else { None })
    }

    pub(super) fn zone(&self, name: &str) -> Option<TimeZone> {
        self.project(name, |value| if let Value::Zone(it) = value { Some(it.clone()) } else { None }).map(|it| it.value)
    }

    pub(super) fn bool(&self, name: &str) -> Option<bool> {
        self.project(name, |value| if let Value::Bool(it) = value { Some(*it) } else { None }).map(|it| it.value)
    }

    pub(super) fn quantity(&self, name: &str) -> Option<Spanned<u64>> {
        self.project(name, |value| if let Value::Quantity(count) = value { Some(*count) } else { None })
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.project(name, |value| if let Value::Number(it) = value { Some(*it) } else { None }).map(|it| it.value)
    }

    pub(super) fn duration(&self, name: &str) -> Option<Spanned<time::Span>> {
        self.project(name, |value| if let Value::Duration(span) = value { Some(*span) } else { None })
    }

    pub(super) fn length(&self, name: &str) -> Option<Spanned<Length>> {
        self.project(name, |value| if let Value::Length(length) = value { Some(*length) } else { None })
    }

    pub(super) fn rate(&self, name: &str) -> Option<Spanned<Rate>> {
        self.project(name, |value| if let Value::Rate(rate) = value { Some(*rate) } else { None })
    }

    pub(super) fn money(&self, name: &str) -> Option<Spanned<Money>> {
        self.project(name, |value| if let Value::Money(money) = value { Some(*money) } else { None })
    }

    pub(super) fn fee(&self, name: &str) -> Option<Spanned<Fee>> {
        self.project(name, |value| if let Value::Fee(fee) = value { Some(*fee) } else { None })
    }

    pub(super) fn commission(&self, name: &str) -> Option<Commission> {
        self.project(name, |value| if let Value::Commission(it) = value { Some(*it) } else { None }).map(|it| it.value)
    }

    pub(super) fn chance(&self, name: &str) -> Option<Chance> {
        self.project(name, |value| if let Value::Chance(it) = value { Some(*it) } else { None }).map(|it| it.value)
    }

    pub(super) fn share(&self, name: &str) -> Option<Spanned<Share>> {
        self.project(name, |value| if let Value::Share(share) = value { Some(*share) } else { None })
    }

    pub(super) fn clock(&self, name: &str) -> Option<Clock> {
        self.project(name, |value| if let Value::Clock(it) = value { Some(*it) } else { None }).map(|it| it.value)
    }

    pub(super) fn hand_out(&self, name: &str) -> Option<HandOut> {
        self.project(name, |value| if let Value::HandOut(it) = value { Some(*it) } else { None }).map(|it| it.value)
    }

    pub(super) fn list(&self, name: &str) -> Option<&[Spanned<Value>]> {
        self.project(name, |value| if let Value::List(items) = value { Some(items.as_slice()) } else { None })
            .map(|items| items.value)
    }

    pub(super) fn map(&self, name: &str) -> Option<&Fields> {
        self.project(name, |value| if let Value::Map(fields) = value { Some(fields) } else { None })
            .map(|fields| fields.value)
    }

    /// A value of whatever kind; `None` when it is absent or was reported.
    pub(super) fn value(&self, name: &str) -> Option<&Spanned<Value>> {
        self.entry(name)?.value.as_ref()
    }

    fn project<'a, T>(&'a self, name: &str, take: impl FnOnce(&'a Value) -> Option<T>) -> Option<Spanned<T>> {
        let Spanned { span, value } = self.value(name)?;
        let value = take(value).expect("the table gives this key the unit that the lowering asks for");
        Some(Spanned { span: *span, value })
    }

    /// Whether a key is written, and it or what is written was wrong, which has been reported.
    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|entry| entry.value.is_none()) || self.misspelt.contains(&name)
    }

    /// Whether a key is written that another rule of the table wants one of `names` beside, of which none is.
    pub(super) fn asks_for_any(&self, names: &[&str]) -> bool {
        let asks = |rule: &Rule| matches!(rule, Rule::Needs(name, other, _) if names.contains(other) && self.written(name).is_some());
        self.table.rules.iter().any(asks)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        assert!(self.table.key(name).is_some(), "the lowering asks for `{name}`, which its table does not have");
        self.entries.iter().find(|entry| entry.name.value == name)
    }
}
