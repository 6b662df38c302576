"""The official `stripe` package, unmodified, against the mock payment processor. See README.md.

    stripe_processor.py FOLDER    the folder has the program `farebox`
"""

import http.server
import importlib.metadata
import json
import pathlib
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import unittest.mock
import urllib.request

import stripe

SECRET = "whsec_of_the_test"
PATIENCE = 30
# What each test card is declined with: code and decline code (https://docs.stripe.com/testing).
DECLINES = [
    ("4000000000000002", "card_declined", "generic_decline"),
    ("4000000000009995", "card_declined", "insufficient_funds"),
    ("4000000000009987", "card_declined", "lost_card"),
    ("4000000000009979", "card_declined", "stolen_card"),
    ("4000000000000069", "expired_card", "expired_card"),
    ("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
    ("4000000000000119", "processing_error", "processing_error"),
    ("4000000000006975", "card_declined", "card_velocity_exceeded"),
    ("4000000000000341", "card_declined", "generic_decline"),
    ("4000002760003184", "authentication_required", "authentication_required"),
    ("4000002500003155", "authentication_required", "authentication_required"),
]


class Mock:
    """The payment processor, which says where it listens in a line, and ends by a signal."""

    def __init__(self, program, *more):
        command = [program, "serve", "payments", "--listen", "127.0.0.1:0", *more]
        self.process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        if not found:
            self.process.kill()
            sys.exit(f"the mock did not start: {line!r}")
        self.url = f"http://{found[0]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=PATIENCE)[0], self.process.returncode

    def client(self, **options):
        return stripe.StripeClient("sk_test_x", base_addresses={"api": self.url}, max_network_retries=0, **options)

    def control(self, path, **fields):
        request = urllib.request.Request(self.url + path, json.dumps(fields).encode())
        return json.load(urllib.request.urlopen(request, timeout=PATIENCE))


class Hook:
    """A webhook that hands over payloads and signatures as they came."""

    def __init__(self):
        came = self.came = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                came.put((body, self.headers["stripe-signature"]))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.came.get(timeout=PATIENCE)


class Checks:
    """What was looked at, and what was wrong."""

    def __init__(self):
        self.made, self.wrong = 0, []

    def equal(self, what, found, expected):
        self.made += 1
        if found != expected:
            self.wrong.append(f"{what}: {found!r}, expected {expected!r}")

    def raises(self, what, kind, call):
        """The error, which is to be of exactly this kind."""
        try:
            found = call()
        except Exception as error:
            found = error
        self.equal(f"{what} raises ({found!r})", type(found), kind)
        return found


def pay(client, options=None, **more):
    wanted = {"amount": 500, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    return client.v1.payment_intents.create(wanted | more, options or {})


def objects(client, checks):
    customer = client.v1.customers.create({"name": "Ada", "email": "ada@example.com", "metadata": {"seat": "1"}})
    changed = client.v1.customers.update(customer.id, {"metadata": {"seat": ""}, "description": "first"})
    checks.equal("metadata", (changed.metadata.to_dict(), changed.description), ({}, "first"))
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}})
    attached = client.v1.payment_methods.attach(method.id, {"customer": customer.id})
    checks.equal("attached", (attached.customer, attached.card.brand, attached.card.last4), (customer.id, "mastercard", "4444"))
    settings = {"invoice_settings": {"default_payment_method": method.id}}
    client.v1.customers.update(customer.id, settings)
    expanded = client.v1.customers.retrieve(customer.id, {"expand": ["invoice_settings.default_payment_method"]})
    checks.equal("expanded", expanded.invoice_settings.default_payment_method.card.last4, "4444")
    paid = pay(client, customer=customer.id, payment_method=method.id, off_session=True, expand=["latest_charge"])
    checks.equal("paid", (paid.status, paid.latest_charge.paid, paid.amount_received), ("succeeded", True, 500))
    own = client.v1.customers.payment_methods.list(customer.id)
    checks.equal("own methods", [one.id for one in own.data], [method.id])
    client.v1.payment_methods.detach(method.id)
    checks.raises("detached", stripe.InvalidRequestError, lambda: pay(client, customer=customer.id, payment_method=method.id))
    checks.equal("deleted", client.v1.customers.delete(customer.id).deleted, True)
    missing = checks.raises("unknown", stripe.InvalidRequestError, lambda: client.v1.customers.retrieve("cus_unknown"))
    checks.equal("unknown", (missing.http_status, missing.code, bool(missing.request_id)), (404, "resource_missing", True))


def declines(client, checks):
    for number, code, decline_code in DECLINES:
        card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        method = client.v1.payment_methods.create({"type": "card", "card": card})
        error = checks.raises(number, stripe.CardError, lambda: pay(client, payment_method=method.id, off_session=True))
        told = (error.http_status, error.code, error.error.decline_code)
        checks.equal(number, told, (402, code, decline_code))
        intent = client.v1.payment_intents.retrieve(error.error.payment_intent.id)
        found = (intent.status, intent.last_payment_error.code, intent.last_payment_error.decline_code)
        checks.equal(f"{number}: intent", found, ("requires_payment_method", code, decline_code))
        again = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
        checks.equal(f"{number}: another card", again.status, "succeeded")
    wrong = {"type": "card", "card": {"number": "4242424242424241", "exp_month": 12, "exp_year": 2040}}
    error = checks.raises("4241", stripe.CardError, lambda: client.v1.payment_methods.create(wrong))
    checks.equal("4241", (error.code, error.param), ("incorrect_number", "number"))
    customer = client.v1.customers.create()
    attach = lambda name: client.v1.payment_methods.attach(name, {"customer": customer.id})
    checks.raises("declined when attached", stripe.CardError, lambda: attach("pm_card_chargeDeclined"))
    later = attach("pm_card_chargeCustomerFail")
    checks.raises("declined later", stripe.CardError, lambda: pay(client, customer=customer.id, payment_method=later.id))


def authentication(mock, client, checks):
    customer = client.v1.customers.create()
    setup = {"customer": customer.id, "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True}
    waits = client.v1.setup_intents.create(setup)
    checks.equal("set up", (waits.status, waits.next_action.type), ("requires_action", "use_stripe_sdk"))
    mock.control(f"/_mock/authenticate/{waits.id}")
    done = client.v1.setup_intents.retrieve(waits.id)
    checks.equal("set up after", done.status, "succeeded")
    paid = pay(client, customer=customer.id, payment_method=done.payment_method, off_session=True)
    checks.equal("off session", paid.status, "succeeded")
    waits = pay(client, customer=customer.id, payment_method=done.payment_method)
    checks.equal("on session", waits.status, "requires_action")
    mock.control(f"/_mock/authenticate/{waits.id}?outcome=fail")
    failed = client.v1.payment_intents.retrieve(waits.id)
    found = (failed.status, failed.last_payment_error.code)
    checks.equal("not authenticated", found, ("requires_payment_method", "payment_intent_authentication_failure"))
    checks.equal("canceled", client.v1.payment_intents.cancel(waits.id).status, "canceled")


def keys(client, checks):
    key = {"idempotency_key": "once"}
    first, again = pay(client, key), pay(client, key)
    checks.equal("the same payment", again.id, first.id)
    checks.equal("replayed", again.last_response.headers.get("idempotent-replayed"), "true")
    checks.equal("not replayed", first.last_response.headers.get("idempotent-replayed"), None)
    error = checks.raises("another amount", stripe.IdempotencyError, lambda: pay(client, key, amount=600))
    checks.equal("another amount", error.http_status, 400)
    key = {"idempotency_key": "declined"}
    decline = lambda: pay(client, key, payment_method="pm_card_chargeDeclined")
    intents = {checks.raises("declined", stripe.CardError, decline).error.payment_intent.id for _ in range(3)}
    checks.equal("one declined payment", len(intents), 1)
    key = {"idempotency_key": "fixed"}
    checks.raises("wrong", stripe.InvalidRequestError, lambda: pay(client, key, amount="x"))
    checks.equal("fixed", pay(client, key).status, "succeeded")


def lists(client, checks):
    made = [client.v1.customers.create({"email": "page@example.com"}).id for _ in range(25)]
    listed = client.v1.customers.list({"limit": 10, "email": "page@example.com"})
    checks.equal("a page", (len(listed.data), listed.has_more), (10, True))
    checks.equal("all pages", [one.id for one in listed.auto_paging_iter()], made[::-1])
    back = client.v1.customers.list({"limit": 3, "ending_before": made[0]})
    checks.equal("backwards", [one.id for one in back.data], made[3:0:-1])
    error = checks.raises("an unknown parameter", stripe.InvalidRequestError, lambda: client.v1.customers.list({"colour": "red"}))
    checks.equal("an unknown parameter", (error.code, error.param), ("parameter_unknown", "colour"))


def refunds(client, checks):
    paid = pay(client, amount=1000)
    part = client.v1.refunds.create({"payment_intent": paid.id, "amount": 400, "reason": "requested_by_customer"})
    checks.equal("a part", (part.status, part.amount, part.charge), ("succeeded", 400, paid.latest_charge))
    much = lambda: client.v1.refunds.create({"payment_intent": paid.id, "amount": 601})
    error = checks.raises("too much", stripe.InvalidRequestError, much)
    checks.equal("too much", (error.http_status, error.param), (400, "amount"))
    checks.equal("the rest", client.v1.refunds.create({"charge": paid.latest_charge}).amount, 600)
    over = lambda: client.v1.refunds.create({"charge": paid.latest_charge})
    checks.equal("again", checks.raises("again", stripe.InvalidRequestError, over).code, "charge_already_refunded")
    charge = client.v1.charges.retrieve(paid.latest_charge)
    checks.equal("the charge", (charge.refunded, charge.amount_refunded), (True, 1000))
    held = pay(client, capture_method="manual")
    checks.equal("held", (held.status, held.amount_capturable), ("requires_capture", 500))
    taken = client.v1.payment_intents.capture(held.id, {"amount_to_capture": 300})
    checks.equal("taken", (taken.status, taken.amount_received), ("succeeded", 300))


def clocks(mock, client, checks):
    start = int(time.time())
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": start, "name": "a year"})
    customers = [client.v1.customers.create({"test_clock": clock.id}) for _ in range(10)]
    checks.equal("any number of customers", {one.test_clock for one in customers}, {clock.id})
    later = client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": start + 365 * 86400})
    checks.equal("advanced", (later.status, later.frozen_time), ("ready", start + 365 * 86400))
    paid = pay(client, customer=customers[0].id)
    checks.equal("made at the clock's time", paid.created, start + 365 * 86400)
    client.v1.test_helpers.test_clocks.delete(clock.id)
    gone = lambda: client.v1.customers.retrieve(customers[0].id)
    checks.raises("gone with the clock", stripe.InvalidRequestError, gone)
    before = client.v1.customers.create().created
    mock.control("/_mock/clock", advance="30d")
    checks.equal("thirty days on", client.v1.customers.create().created >= before + 30 * 86400, True)
    mock.control("/_mock/outage", **{"for": "2h"})
    checks.raises("an outage", stripe.APIError, client.v1.customers.list)
    mock.control("/_mock/outage", **{"for": "2h", "how": "reset"})
    checks.raises("a reset", stripe.APIConnectionError, client.v1.customers.list)
    mock.control("/_mock/clock", advance="2h")
    checks.equal("over", client.v1.customers.list().object, "list")


def webhooks(program, checks):
    hook = Hook()
    with Mock(program, "--webhook", hook.url, "--webhook-secret", SECRET) as mock:
        client = mock.client()
        paid = pay(client)
        came = [hook.next() for _ in range(3)]
        events = [stripe.Webhook.construct_event(body, signed, SECRET) for body, signed in came]
        expected = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
        checks.equal("events", [event.type for event in events], expected)
        checks.equal("of the payment", (events[2].data.object.id, events[2].data.object.status), (paid.id, "succeeded"))
        checks.equal("listed", [one.id for one in client.v1.events.list().data], [one.id for one in events[::-1]])
        body, signed = came[0]
        forged = lambda: stripe.Webhook.construct_event(body.replace(b"500", b"900"), signed, SECRET)
        checks.raises("a forged one", stripe.SignatureVerificationError, forged)
        other = lambda: stripe.Webhook.construct_event(body, signed, "whsec_other")
        checks.raises("another secret", stripe.SignatureVerificationError, other)
        later = lambda seconds: unittest.mock.patch("time.time", return_value=time.time() + seconds)
        with later(240):
            checks.equal("within five minutes", stripe.Webhook.construct_event(body, signed, SECRET).id, events[0].id)
        with later(301):
            old = lambda: stripe.Webhook.construct_event(body, signed, SECRET)
            checks.raises("an old one", stripe.SignatureVerificationError, old)
        output, code = mock.end()
        checks.equal("how it ended", (code, output.splitlines()[0]), (0, "requests: 2"))


def faults(program, checks):
    with Mock(program, "--errors", "30%", "--seed", "5", "--latency", "1ms") as mock:
        client, failed, ids = mock.client(), 0, set()
        for number in range(60):
            # Whoever repeats with the same key gets the same answer, a 500 too: never a second payment.
            answers = []
            for _ in range(2):
                try:
                    answers.append(pay(client, {"idempotency_key": f"k{number}"}).id)
                except stripe.APIError as error:
                    answers.append(error.http_status)
            checks.equal("the same answer", answers[0], answers[1])
            failed += answers[0] == 500
            ids.add(answers[0])
        checks.equal("some fail, not all", (failed > 0, len(ids) > 1), (True, True))
        # The package repeats by itself, with one key: a 500 stays one.
        retrying = stripe.StripeClient("sk_test_x", base_addresses={"api": mock.url}, max_network_retries=1)
        stays = 0
        for _ in range(10):
            try:
                pay(retrying)
            except stripe.APIError:
                stays += 1
        checks.equal("a kept 500 outlives retries", stays > 0, True)


def secrets(mock, checks):
    live = stripe.StripeClient("sk_live_x", base_addresses={"api": mock.url}, max_network_retries=0)
    error = checks.raises("a live key", stripe.AuthenticationError, live.v1.customers.list)
    checks.equal("is not repeated", "sk_live_x" in str(error), False)


def main():
    program, checks = pathlib.Path(sys.argv[1]) / "farebox", Checks()
    print(f"stripe {importlib.metadata.version('stripe')}")
    with Mock(program) as mock:
        client = mock.client()
        for look in [objects, declines, keys, lists, refunds]:
            look(client, checks)
        for look in [authentication, clocks]:
            look(mock, client, checks)
        secrets(mock, checks)
        # The older way to say where the API is.
        stripe.api_key, stripe.api_base = "sk_test_y", mock.url
        checks.equal("by the module", stripe.Customer.create(name="Eve").name, "Eve")
    webhooks(program, checks)
    faults(program, checks)
    for wrong in checks.wrong:
        print(wrong)
    print(f"{checks.made} checks, {len(checks.wrong)} wrong")
    sys.exit(len(checks.wrong) > 0)


main()
