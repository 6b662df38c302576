//! Payment intents: one payment, from what is asked to the money.
//!
//! ```text
//! requires_payment_method ─▶ requires_confirmation ─▶ (confirm) ─▶ succeeded
//!          ▲                                             ├─▶ requires_capture ─▶ (capture) ─▶ succeeded
//!          ├────────────────── declined ◀────────────────┤
//!          └── authentication fails ◀─ requires_action ◀─┘      any but succeeded ─▶ (cancel) ─▶ canceled
//! ```
//!
//! Cards never come to `processing`.

use serde_json::{Value, json};

use super::attempt;
use super::call::Call;
use super::contact::Metadata;
use super::customers;
use super::error::{ApiError, Outcome};
use super::form::{Change, MetadataChange, Params};
use super::list::Page;
use super::means::{Confirmation, Means, check_types, take_automatic};
use super::money;
use super::state::State;
use super::table::Object;

/// A payment.
#[derive(Clone, Debug)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    created: i64,
    client_secret: String,
    pub(super) amount: i64,
    pub(super) amount_received: i64,
    pub(super) currency: String,
    pub(super) status: Status,
    pub(super) customer: Option<String>,
    pub(super) payment_method: Option<String>,
    pub(super) latest_charge: Option<String>,
    pub(super) last_error: Option<Value>,
    pub(super) is_authenticated: bool,
    pub(super) next_action: Option<Value>,
    pub(super) return_url: Option<String>,
    capture_method: &'static str,
    pub(super) future_usage: Option<&'static str>,
    pub(super) description: Option<String>,
    pub(super) receipt_email: Option<String>,
    pub(super) metadata: Metadata,
    statement_descriptor: Option<String>,
    statement_suffix: Option<String>,
    automatic_methods: Option<Value>,
    canceled_at: Option<i64>,
    cancellation_reason: Option<&'static str>,
}

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    /// As the API tells it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }

    /// Whether it can still be changed and confirmed.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::RequiresPaymentMethod | Self::RequiresConfirmation | Self::RequiresAction)
    }
}

impl PaymentIntent {
    /// Whether the money is to be held, and taken later.
    pub(super) fn is_manual(&self) -> bool {
        self.capture_method == "manual"
    }

    /// The error that says that this cannot be done now.
    pub(super) fn refuse(&self, message: String) -> ApiError {
        ApiError::refused(Some("payment_intent_unexpected_state"), message).beside("payment_intent", self.render())
    }
}

impl Object for PaymentIntent {
    const NAME: &'static str = "payment_intent";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn render(&self) -> Value {
        let held = if self.status == Status::RequiresCapture { self.amount } else { 0 };
        json!({
            "id": self.id,
            "object": Self::NAME,
            "amount": self.amount,
            "amount_capturable": held,
            "amount_details": { "tip": {} },
            "amount_received": self.amount_received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": self.automatic_methods,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "last_payment_error": self.last_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "metadata": self.metadata.render(),
            "next_action": self.next_action,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "processing": null,
            "receipt_email": self.receipt_email,
            "review": null,
            "setup_future_usage": self.future_usage,
            "shipping": null,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": self.statement_suffix,
            "status": self.status.name(),
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}

/// What a request may say of an intent, whether it is new or not.
#[derive(Debug)]
struct Said {
    amount: Option<i64>,
    currency: Option<String>,
    customer: Option<String>,
    means: Means,
    capture_method: Option<&'static str>,
    future_usage: Option<&'static str>,
    description: Change,
    receipt_email: Change,
    metadata: Option<MetadataChange>,
    statement_descriptor: Change,
    statement_suffix: Change,
}

impl Said {
    fn take(params: &mut Params, now: i64) -> Outcome<Self> {
        check_types(params)?;
        Ok(Self {
            amount: money::take_positive(params, "amount")?,
            currency: money::take_currency(params)?,
            customer: params.value("customer")?,
            means: Means::take(params, now)?,
            capture_method: params.one_of("capture_method", &["automatic", "automatic_async", "manual"])?,
            future_usage: params.one_of("setup_future_usage", &["off_session", "on_session"])?,
            description: params.change("description")?,
            receipt_email: params.change("receipt_email")?,
            metadata: params.metadata()?,
            statement_descriptor: params.change("statement_descriptor")?,
            statement_suffix: params.change("statement_descriptor_suffix")?,
        })
    }

    /// Writes all of it over an intent.
    fn apply(self, state: &mut State, intent: &mut PaymentIntent) -> Outcome<()> {
        intent.metadata.apply(self.metadata)?;
        intent.amount = self.amount.unwrap_or(intent.amount);
        intent.currency = self.currency.unwrap_or_else(|| std::mem::take(&mut intent.currency));
        intent.customer = self.customer.or_else(|| intent.customer.take());
        intent.capture_method = self.capture_method.unwrap_or(intent.capture_method);
        intent.future_usage = self.future_usage.or(intent.future_usage);
        self.description.put(&mut intent.description);
        self.receipt_email.put(&mut intent.receipt_email);
        self.statement_descriptor.put(&mut intent.statement_descriptor);
        self.statement_suffix.put(&mut intent.statement_suffix);
        place_means(state, self.means, intent)
    }
}

/// Puts a payment method in its place, and the intent where it stands with it.
fn place_means(state: &mut State, means: Means, intent: &mut PaymentIntent) -> Outcome<()> {
    if matches!(means, Means::Unsaid) {
        return Ok(());
    }
    let customer = intent.customer.clone();
    means.put(state, customer.as_deref(), &mut intent.payment_method)?;
    intent.next_action = None;
    intent.is_authenticated = false;
    intent.status = match intent.payment_method {
        Some(_) => Status::RequiresConfirmation,
        None => Status::RequiresPaymentMethod,
    };
    Ok(())
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let said = Said::take(&mut call.params, call.state.clock.now())?;
    let automatic_methods = take_automatic(&mut call.params)?;
    let confirms = call.params.boolean("confirm")?.unwrap_or(false);
    let (confirmation, says_how) = Confirmation::take(&mut call.params)?;
    call.params.finish()?;
    let amount = said.amount.ok_or_else(|| call.params.missing("amount"))?;
    let currency = said.currency.clone().ok_or_else(|| call.params.missing("currency"))?;
    if call.state.commanded.is_none() {
        money::check(&call.params, amount, &currency)?;
    }
    if says_how && !confirms {
        let message = "off_session, error_on_requires_action and return_url can only be used when confirm is true.";
        return Err(ApiError::invalid(None, message).about("confirm"));
    }
    // The intent, a new payment method, and a charge.
    call.state.room(3)?;
    if let Some(customer) = &said.customer {
        customers::meant(call, customer, "customer")?;
    }
    said.means.check(call.state, said.customer.as_deref())?;
    let id = new(call.state, said, automatic_methods)?;
    tell(call.state, "payment_intent.created", &id);
    if confirms { attempt::confirm(call.state, &id, confirmation) } else { rendered(call.state, &id) }
}

/// Makes an intent of what was said.
fn new(state: &mut State, said: Said, automatic_methods: Option<Value>) -> Outcome<String> {
    let id = state.ids.next("pi_", 24);
    let mut intent = PaymentIntent {
        client_secret: state.ids.next(&format!("{id}_secret_"), 25),
        id: id.clone(),
        created: state.now_of(said.customer.as_deref()),
        amount: 0,
        amount_received: 0,
        currency: String::new(),
        status: Status::RequiresPaymentMethod,
        customer: None,
        payment_method: None,
        latest_charge: None,
        last_error: None,
        is_authenticated: false,
        next_action: None,
        return_url: None,
        capture_method: "automatic_async",
        future_usage: None,
        description: None,
        receipt_email: None,
        metadata: Metadata::default(),
        statement_descriptor: None,
        statement_suffix: None,
        automatic_methods,
        canceled_at: None,
        cancellation_reason: None,
    };
    said.apply(state, &mut intent)?;
    state.payments.insert(intent);
    Ok(id)
}

/// Emits an event about an intent, at the time of its customer's clock.
pub(super) fn tell(state: &mut State, kind: &'static str, id: &str) {
    let Some(intent) = state.payments.get(id) else { return };
    let (told, now) = (intent.render(), state.now_of(intent.customer.as_deref()));
    state.emit(kind, now, told);
}

/// An intent as the API tells it.
pub(super) fn rendered(state: &State, id: &str) -> Outcome {
    state.payments.at(id).map(Object::render)
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let said = Said::take(&mut call.params, call.state.clock.now())?;
    call.params.finish()?;
    call.state.room(1)?;
    let mut intent = call.state.payments.at(call.id)?.clone();
    if !intent.status.is_open() {
        let status = intent.status.name();
        return Err(intent.refuse(format!(
            "This PaymentIntent's parameters could not be updated because it has a status of {status}."
        )));
    }
    let amount = said.amount.unwrap_or(intent.amount);
    money::check(&call.params, amount, said.currency.as_deref().unwrap_or(&intent.currency))?;
    if let Some(customer) = &said.customer {
        customers::meant(call, customer, "customer")?;
    }
    said.means.check(call.state, said.customer.as_deref().or(intent.customer.as_deref()))?;
    // What a customer was asked to authenticate is then no more what is asked; another payment method sees to it itself.
    let is_another = said.amount.is_some() || said.currency.is_some() || said.customer.is_some();
    said.apply(call.state, &mut intent)?;
    if is_another && intent.status == Status::RequiresAction {
        intent.status = Status::RequiresConfirmation;
        intent.next_action = None;
    }
    let told = intent.render();
    *call.state.payments.at_mut(call.id)? = intent;
    Ok(told)
}

pub(super) fn confirm(call: &mut Call<'_>) -> Outcome {
    let means = Means::take(&mut call.params, call.state.clock.now())?;
    let (confirmation, _) = Confirmation::take(&mut call.params)?;
    let future_usage = call.params.one_of("setup_future_usage", &["off_session", "on_session"])?;
    let receipt_email = call.params.change("receipt_email")?;
    call.params.finish()?;
    call.state.room(2)?;
    let mut intent = call.state.payments.at(call.id)?.clone();
    attempt::check_confirmable(&intent)?;
    means.check(call.state, intent.customer.as_deref())?;
    place_means(call.state, means, &mut intent)?;
    intent.future_usage = future_usage.or(intent.future_usage);
    receipt_email.put(&mut intent.receipt_email);
    *call.state.payments.at_mut(call.id)? = intent;
    attempt::confirm(call.state, call.id, confirmation)
}

pub(super) fn capture(call: &mut Call<'_>) -> Outcome {
    let amount = money::take_positive(&mut call.params, "amount_to_capture")?;
    call.params.finish()?;
    let intent = call.state.payments.at(call.id)?;
    if intent.status != Status::RequiresCapture {
        return Err(intent.refuse(format!(
            "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one of the \
             following statuses may be captured: requires_capture.",
            intent.status.name()
        )));
    }
    let amount = amount.unwrap_or(intent.amount);
    if amount > intent.amount {
        let (asked, held) = (money::shown(amount, &intent.currency), money::shown(intent.amount, &intent.currency));
        let message = format!("The amount to capture ({asked}) is greater than the amount that is held ({held}).");
        return Err(ApiError::refused(Some("amount_too_large"), message).about("amount_to_capture"));
    }
    attempt::capture(call.state, call.id, amount)?;
    rendered(call.state, call.id)
}

const REASONS: [&str; 4] = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];

pub(super) fn cancel(call: &mut Call<'_>) -> Outcome {
    let reason = call.params.one_of("cancellation_reason", &REASONS)?;
    call.params.finish()?;
    let intent = call.state.payments.at(call.id)?;
    if matches!(intent.status, Status::Succeeded | Status::Canceled) {
        return Err(intent.refuse(format!(
            "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of the \
             following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, \
             requires_action, processing.",
            intent.status.name()
        )));
    }
    let was_held = intent.status == Status::RequiresCapture;
    let now = call.state.now_of(intent.customer.as_deref());
    let intent = call.state.payments.at_mut(call.id)?;
    intent.status = Status::Canceled;
    intent.canceled_at = Some(now);
    intent.cancellation_reason = reason;
    intent.next_action = None;
    if was_held {
        attempt::release(call.state, call.id)?;
    }
    tell(call.state, "payment_intent.canceled", call.id);
    rendered(call.state, call.id)
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    let secret = call.params.value("client_secret")?;
    call.params.finish()?;
    let intent = call.state.payments.at(call.id)?;
    if secret.is_some_and(|secret| secret != intent.client_secret) {
        let message = "The client_secret provided does not match the client_secret associated with the PaymentIntent.";
        return Err(ApiError::refused(Some("payment_intent_invalid_parameter"), message).about("client_secret"));
    }
    Ok(intent.render())
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    let customer = call.params.value("customer")?;
    call.params.finish()?;
    page.of(&call.state.payments, call.path, |intent| customer.is_none() || intent.customer == customer)
}
