"""Runs real client libraries against a counting server on loopback, and compares with cases.json. See README.md."""

import http.server
import importlib.metadata
import json
import pathlib
import sys
import threading
import time

# Uniform waits: that the ends of 30 of them lie less than half the range apart happens once in ten million times.
RUNS = 30
PACKAGES = ["openai", "anthropic", "stripe", "requests", "urllib3", "botocore"]


class Clock:
    """What the library slept since the last attempt: nothing is really waited for."""

    def __init__(self):
        self.slept = 0.0
        time.sleep = self.sleep

    def sleep(self, seconds):
        self.slept += seconds

    def take(self):
        slept, self.slept = self.slept, 0.0
        return slept


class Server(http.server.ThreadingHTTPServer):
    """Gives the answers of a case in order, the last again and again; writes down the wait before each attempt."""

    daemon_threads = True

    def __init__(self, clock):
        super().__init__(("127.0.0.1", 0), Handler)
        self.clock, self.answers, self.waits = clock, [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def begin(self, answers):
        self.clock.take()
        self.answers, self.waits = answers, []

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        attempt = len(server.waits)
        server.waits.append(server.clock.take())
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = server.answers[min(attempt, len(server.answers) - 1)]
        self.close_connection = True
        if answer["status"] == 0:
            return
        self.send_response(answer["status"], "answer")
        if "retry_after_s" in answer:
            self.send_header("Retry-After", str(answer["retry_after_s"]))
        if "should_retry" in answer:
            for name in ["X-Should-Retry", "Stripe-Should-Retry"]:
                self.send_header(name, str(answer["should_retry"]).lower())
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, *_):
        pass


def generated(module, name, url):
    client = getattr(module, name)(api_key="none", base_url=url)
    return lambda method: getattr(client, method.lower())("/call", cast_to=object)


def openai_python(url):
    import openai

    return generated(openai, "OpenAI", url)


def anthropic_python(url):
    import anthropic

    return generated(anthropic, "Anthropic", url)


def stripe_python(url):
    import stripe

    # A `StripeClient` does not retry unless it is told to; the module does.
    stripe.api_key, stripe.api_base = "sk_test_none", url
    return lambda _: stripe.Customer.create()


def requests_urllib3(url):
    import requests
    import urllib3

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=urllib3.Retry(3)))
    return lambda method: session.request(method, url)


def aws_legacy(url):
    import botocore.config
    import botocore.session

    client = botocore.session.get_session().create_client(
        "logs",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=botocore.config.Config(retries={"mode": "legacy"}),
    )
    return lambda _: client.describe_log_groups()


CLIENTS = {
    "openai-python": openai_python,
    "anthropic-python": anthropic_python,
    "stripe": stripe_python,
    "requests-urllib3": requests_urllib3,
    "aws-legacy": aws_legacy,
}


def observe(call, server, case):
    """The wait before each attempt of one call, in ms."""
    server.begin(case["answers"])
    try:
        call(case["method"])
    except Exception:  # Each library has errors of its own; what counts is what the server saw.
        pass
    return [round(wait * 1000) for wait in server.waits]


def judge(case, runs):
    """What is wrong with what a library did, or None."""
    expected = case["waits_ms"]
    attempts = {len(waits) for waits in runs}
    if attempts != {len(expected) + 1}:
        return f"{sorted(attempts)} attempts, expected {len(expected) + 1}"
    for nth, (least, most) in enumerate([[0, 0], *expected]):
        waits = [waits[nth] for waits in runs]
        if min(waits) < least or max(waits) > most:
            return f"retry {nth} waits {min(waits)} to {max(waits)} ms, expected {least} to {most}"
        if max(waits) - min(waits) < (most - least) / 2:
            return f"retry {nth} waits only {min(waits)} to {max(waits)} ms of {least} to {most}"
    return None


def main():
    cases = json.loads(pathlib.Path(__file__).with_name("cases.json").read_text())
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES))
    server = Server(Clock())
    url = f"http://127.0.0.1:{server.server_port}"
    calls = {name: client(url) for name, client in CLIENTS.items()}
    wrong = 0
    for case in cases:
        problem = judge(case, [observe(calls[case["client"]], server, case) for _ in range(RUNS)])
        if problem:
            wrong += 1
            print(f"{case['client']} {case['method']} {json.dumps(case['answers'])}: {problem}")
    print(f"{len(cases)} cases, {wrong} wrong")
    sys.exit(wrong > 0)


main()
