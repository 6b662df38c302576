//! Payment methods: cards, and whose they are.

use serde_json::{Value, json};

use super::call::Call;
use super::cards::{Card, Decline};
use super::clock;
use super::contact::{self, Metadata};
use super::customers;
use super::error::{ApiError, Outcome};
use super::form::Params;
use super::list::Page;
use super::state::State;
use super::table::Object;

/// The last year of a card that is meant by its name: so many years from now.
const NAMED_EXPIRES_IN: i64 = 5;

/// A card that somebody may pay with.
#[derive(Clone, Debug)]
pub(super) struct PaymentMethod {
    pub(super) id: String,
    created: i64,
    pub(super) card: &'static Card,
    /// The last year and month of the card.
    pub(super) expires: (i64, i64),
    cvc_check: Option<&'static str>,
    fingerprint: String,
    pub(super) billing_details: Value,
    metadata: Metadata,
    pub(super) customer: Option<String>,
    /// It was used while it was nobody's, or detached from a customer: it can never be used again.
    pub(super) is_spent: bool,
    /// A customer has authenticated it for payments off session.
    pub(super) is_set_up: bool,
}

/// What a card is made of.
#[derive(Clone, Debug)]
pub(super) struct NewCard {
    card: &'static Card,
    expires: Option<(i64, i64)>,
    has_cvc: bool,
    billing_details: Value,
}

impl Object for PaymentMethod {
    const NAME: &'static str = "payment_method";
    const LABEL: &'static str = "PaymentMethod";

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
            "allow_redisplay": "unspecified",
            "billing_details": self.billing_details,
            "card": self.render_card(),
            "created": self.created,
            "customer": self.customer,
            "livemode": false,
            "metadata": self.metadata.render(),
            "type": "card",
        })
    }
}

impl PaymentMethod {
    fn render_card(&self) -> Value {
        let mut card = self.card_facts();
        card["display_brand"] = self.card.brand.into();
        card["generated_from"] = Value::Null;
        card["networks"] = json!({ "available": [self.card.brand], "preferred": null });
        card["three_d_secure_usage"] = json!({ "supported": true });
        card["wallet"] = Value::Null;
        card
    }

    /// What a payment method and the charges made with it both tell of the card.
    fn card_facts(&self) -> Value {
        json!({
            "brand": self.card.brand,
            "checks": {
                "address_line1_check": null,
                "address_postal_code_check": null,
                "cvc_check": self.cvc_check,
            },
            "country": "US",
            "exp_month": self.expires.1,
            "exp_year": self.expires.0,
            "fingerprint": self.fingerprint,
            "funding": self.card.funding,
            "last4": self.card.last4(),
        })
    }

    /// As a charge tells it.
    pub(super) fn render_details(&self, is_authenticated: bool) -> Value {
        let mut card = self.card_facts();
        card["network"] = self.card.brand.into();
        card["three_d_secure"] = if is_authenticated {
            json!({ "authentication_flow": "challenge", "result": "authenticated", "version": "2.2.0" })
        } else {
            Value::Null
        };
        json!({ "type": "card", "card": card })
    }

    /// That its last month is over, if it is.
    pub(super) fn expired(&self, now: i64) -> Option<&'static Decline> {
        self.card.declines(self.expires, now).filter(|decline| decline.code == "expired_card")
    }

    /// Why it cannot be used by this customer, or by nobody.
    pub(super) fn check_user(&self, customer: Option<&str>) -> Outcome<()> {
        let id = &self.id;
        let message = match (self.customer.as_deref(), customer) {
            _ if self.is_spent => format!(
                "The provided PaymentMethod ({id}) was previously used with a PaymentIntent without Customer attachment, \
                 or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you \
                 must attach it to a Customer first."
            ),
            (None, _) => return Ok(()),
            (own, user) if own == user => return Ok(()),
            (Some(own), None) => format!(
                "The provided PaymentMethod ({id}) belongs to the Customer {own}. Please include the Customer in the \
                 `customer` parameter."
            ),
            (Some(_), Some(_)) => format!(
                "The customer does not have a payment method with the ID {id}. The payment method must be attached to \
                 the customer."
            ),
        };
        Err(ApiError::refused(Some("payment_method_unexpected_state"), message).about("payment_method"))
    }
}

impl NewCard {
    /// Takes `type` and the card out of the parameters, which are those of a payment method.
    pub(super) fn take(params: &mut Params, now: i64) -> Outcome<Self> {
        let Some(kind) = params.value("type")? else { return Err(params.missing("type")) };
        if kind != "card" {
            return Err(params.wrong("type", None, format!("Invalid type: this mock plays cards alone, not {kind}")));
        }
        let Some(mut below) = params.below("card")? else { return Err(params.missing("card")) };
        let mut billing_details = contact::no_billing_details();
        contact::billing_details(params, &mut billing_details)?;
        let mut new = match below.value("token")? {
            Some(token) => Self::of_token(&token)?,
            None => Self::of_number(&mut below, now)?,
        };
        new.billing_details = billing_details;
        below.finish()?;
        Ok(new)
    }

    fn of_card(card: &'static Card) -> Self {
        Self { card, expires: None, has_cvc: false, billing_details: contact::no_billing_details() }
    }

    fn of_token(token: &str) -> Outcome<Self> {
        let card = Card::named(token, "tok_");
        card.map(Self::of_card).ok_or_else(|| ApiError::missing("token", token, "card[token]", false))
    }

    /// Takes number, last month and security code.
    fn of_number(params: &mut Params, now: i64) -> Outcome<Self> {
        let number = params.required("number")?;
        let month = params.integer("exp_month")?.ok_or_else(|| params.missing("exp_month"))?;
        let year = params.integer("exp_year")?.ok_or_else(|| params.missing("exp_year"))?;
        let cvc = params.value("cvc")?;
        params.finish()?;
        let card = Card::of_number(&number)?;
        let expires = check_expiry(year, month, now)?;
        let is_code = |cvc: &String| (3..=4).contains(&cvc.len()) && cvc.bytes().all(|digit| digit.is_ascii_digit());
        if cvc.as_ref().is_some_and(|cvc| !is_code(cvc)) {
            return Err(ApiError::card("invalid_cvc", None, "Your card's security code is invalid.").about("cvc"));
        }
        Ok(Self { expires: Some(expires), has_cvc: cvc.is_some(), ..Self::of_card(card) })
    }
}

/// The last year and month of a card, of four digits and in the future.
fn check_expiry(year: i64, month: i64, now: i64) -> Outcome<(i64, i64)> {
    let year = if (0..100).contains(&year) { 2_000 + year } else { year };
    let (this_year, this_month, _) = clock::date(now);
    if !(1..=12).contains(&month) || (year == this_year && month < this_month) {
        let message = "Your card's expiration month is invalid.";
        return Err(ApiError::card("invalid_expiry_month", None, message).about("exp_month"));
    }
    if !(this_year..=this_year + 50).contains(&year) {
        let message = "Your card's expiration year is invalid.";
        return Err(ApiError::card("invalid_expiry_year", None, message).about("exp_year"));
    }
    Ok((year, month))
}

/// Makes a payment method. Whoever calls this has made sure of the room.
pub(super) fn make(state: &mut State, new: NewCard, created: i64) -> String {
    let id = state.ids.next("pm_", 24);
    let (year, month, _) = clock::date(created);
    state.methods.insert(PaymentMethod {
        id: id.clone(),
        created,
        card: new.card,
        expires: new.expires.unwrap_or((year + NAMED_EXPIRES_IN, month)),
        cvc_check: new.has_cvc.then_some("unchecked"),
        fingerprint: state.ids.fingerprint(new.card.number.parse().unwrap_or_default()),
        billing_details: new.billing_details,
        metadata: Metadata::default(),
        customer: None,
        is_spent: false,
        is_set_up: false,
    });
    id
}

/// The id of the payment method that is meant: its own, or a new one's where a test card is meant by its name.
pub(super) fn resolve(state: &mut State, text: &str, customer: Option<&str>, param: &str) -> Outcome<String> {
    if let Some(card) = Card::named(text, "pm_card_") {
        let now = state.now_of(customer);
        return Ok(make(state, NewCard::of_card(card), now));
    }
    state.methods.meant(text, param)?.check_user(customer)?;
    Ok(text.to_owned())
}

/// Whether `resolve` would find it, or why not: without making anything.
pub(super) fn check(state: &State, text: &str, customer: Option<&str>, param: &str) -> Outcome<()> {
    if Card::named(text, "pm_card_").is_some() {
        return Ok(());
    }
    state.methods.meant(text, param)?.check_user(customer)
}

/// Refuses a payment method that cannot be attached to a customer now: somebody else's, or a card that is declined.
pub(super) fn check_attaching(state: &State, text: &str, customer: &str, now: i64, param: &str) -> Outcome<()> {
    let decline = if let Some(card) = Card::named(text, "pm_card_") {
        card.declines_attaching()
    } else {
        let method = state.methods.meant(text, param)?;
        if method.customer.as_deref().is_some_and(|own| own != customer) {
            let message = "The payment method you provided has already been attached to a customer.";
            return Err(ApiError::refused(Some("payment_method_unexpected_state"), message).about(param));
        }
        method.check_user(Some(customer))?;
        method.card.declines_attaching().or_else(|| method.expired(now))
    };
    decline.map_or(Ok(()), |decline| Err(decline.error()))
}

/// Attaches a payment method to a customer. A card that is declined then stays whose it was.
pub(super) fn attach_to(state: &mut State, text: &str, customer: &str, param: &str) -> Outcome<String> {
    let now = state.now_of(Some(customer));
    check_attaching(state, text, customer, now, param)?;
    let id = resolve(state, text, Some(customer), param)?;
    bind(state, &id, customer, now);
    Ok(id)
}

/// Makes a payment method a customer's, and says so.
pub(super) fn bind(state: &mut State, id: &str, customer: &str, now: i64) {
    let Some(method) = state.methods.get_mut(id).filter(|method| method.customer.is_none()) else { return };
    method.customer = Some(customer.to_owned());
    method.cvc_check = method.cvc_check.map(|_| "pass");
    let told = method.render();
    state.emit("payment_method.attached", now, told);
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let now = call.state.clock.now();
    let new = NewCard::take(&mut call.params, now)?;
    let metadata = Metadata::of(call.params.metadata()?)?;
    call.params.finish()?;
    call.state.room(1)?;
    let id = make(call.state, new, now);
    let method = call.state.methods.at_mut(&id)?;
    method.metadata = metadata;
    Ok(method.render())
}

pub(super) fn retrieve(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.methods.at(call.id).map(Object::render)
}

/// A customer's own.
pub(super) fn retrieve_of_customer(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    call.state.customers.at(call.id)?;
    let method = call.state.methods.at(call.second)?;
    if method.customer.as_deref() != Some(call.id) {
        return Err(ApiError::missing(PaymentMethod::LABEL, call.second, "payment_method", true));
    }
    Ok(method.render())
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let metadata = call.params.metadata()?;
    let mut method = call.state.methods.at(call.id)?.clone();
    contact::billing_details(&mut call.params, &mut method.billing_details)?;
    let now = call.state.now_of(method.customer.as_deref());
    if let Some(mut below) = call.params.below("card")? {
        let (year, month) = (below.integer("exp_year")?, below.integer("exp_month")?);
        below.finish()?;
        let (old_year, old_month) = method.expires;
        method.expires = check_expiry(year.unwrap_or(old_year), month.unwrap_or(old_month), now)?;
    }
    call.params.finish()?;
    method.metadata.apply(metadata)?;
    let told = method.render();
    *call.state.methods.at_mut(call.id)? = method;
    call.state.emit("payment_method.updated", now, told.clone());
    Ok(told)
}

pub(super) fn attach(call: &mut Call<'_>) -> Outcome {
    let customer = call.params.required("customer")?;
    call.params.finish()?;
    call.state.room(1)?;
    customers::meant(call, &customer, "customer")?;
    if Card::named(call.id, "pm_card_").is_none() {
        call.state.methods.at(call.id)?;
    }
    let id = attach_to(call.state, call.id, &customer, "payment_method")?;
    call.state.methods.at(&id).map(Object::render)
}

pub(super) fn detach(call: &mut Call<'_>) -> Outcome {
    call.params.finish()?;
    let method = call.state.methods.at_mut(call.id)?;
    let Some(customer) = method.customer.take() else {
        let message = "The payment method you provided is not attached to a customer so detachment is impossible.";
        return Err(ApiError::refused(None, message).about("payment_method"));
    };
    method.is_spent = true;
    let told = method.render();
    let now = call.state.now_of(Some(&customer));
    if let Some(customer) = call.state.customers.get_mut(&customer) {
        customer.default_method.take_if(|default| default == call.id);
    }
    call.state.emit("payment_method.detached", now, told.clone());
    Ok(told)
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let customer = call.params.value("customer")?;
    if let Some(customer) = &customer {
        call.state.customers.meant(customer, "customer")?;
    }
    listed(call, customer.as_deref())
}

/// Those of the customer in the path.
pub(super) fn list_of_customer(call: &mut Call<'_>) -> Outcome {
    call.state.customers.at(call.id)?;
    listed(call, Some(call.id))
}

fn listed(call: &mut Call<'_>, customer: Option<&str>) -> Outcome {
    let page = Page::take(&mut call.params)?;
    call.params.one_of("type", &["card"])?;
    call.params.finish()?;
    page.of(&call.state.methods, call.path, |method| {
        customer.is_none_or(|customer| method.customer.as_deref() == Some(customer))
    })
}
