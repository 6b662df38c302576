"""The official `openai` package against the mock's chat API, directly and through the gateway. See README.md.

    openai_chat.py FOLDER    the folder has the programs `mock-upstreams` and `farebox`
"""

import asyncio
import importlib.metadata
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import openai

# All routes, one consumer whose key is the first, and nothing that would refuse it.
SCENARIO = """\
scenario: chat
horizon: 30d
plans:
  open: { fee: $1/month, includes: { requests: 1M }, past_allowance: block }
consumers:
  alone: { count: 1, plan: open, traffic: { rate: 1/day } }
"""
KEY = "key-000000"
HELLO = [{"role": "user", "content": "hello"}]
# 3 for the answer, 3 for the message, 2 for the five letters.
PROMPT = 8


class Program:
    """One that listens, says so in a line, and ends by a signal."""

    def __init__(self, says, *command):
        pipes = {says: subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, **({"stdout": subprocess.PIPE} | pipes))
        line = getattr(self.process, says).readline()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        if not found:
            self.end()
            sys.exit(f"{command[0]} did not start: {line!r}")
        self.address = found[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=30)[0]


class Checks:
    """What was looked at, and what was wrong."""

    def __init__(self):
        self.made, self.wrong = 0, []

    def equal(self, what, found, expected):
        self.made += 1
        if found != expected:
            self.wrong.append(f"{what}: {found!r}, expected {expected!r}")

    def raises(self, what, kinds, call):
        try:
            found = call()
        except Exception as error:
            found = error
        self.equal(f"{what} raises ({found!r})", isinstance(found, kinds), True)


def command(text):
    return {"mock-outcome": text}


def ask(client, **more):
    return client.chat.completions.create(model="mock", messages=HELLO, **more)


def usage(told):
    return told and (told.prompt_tokens, told.completion_tokens, told.total_tokens)


def plain(client, checks, name):
    answer = ask(client, max_tokens=7)
    choice = answer.choices[0]
    checks.equal(f"{name}: words", len(choice.message.content.split()), 7)
    checks.equal(f"{name}: role and end", (choice.message.role, choice.finish_reason), ("assistant", "length"))
    checks.equal(f"{name}: usage", usage(answer.usage), (PROMPT, 7, PROMPT + 7))
    told = client.chat.completions.with_raw_response.create(model="mock", messages=HELLO, max_completion_tokens=2)
    checks.equal(f"{name}: header", told.headers.get("mock-usage"), f"input_tokens:{PROMPT},output_tokens:2")
    checks.equal(f"{name}: without a limit", ask(client).choices[0].finish_reason, "stop")
    checks.equal(f"{name}: no usage", ask(client, extra_headers=command("told=absent")).usage, None)
    zero = ask(client, extra_headers=command("told=zero"))
    checks.equal(f"{name}: usage of zero", usage(zero.usage), (0, 0, 0))
    own = ask(client, extra_headers=command("usage=input_tokens:50,output_tokens:3"))
    checks.equal(f"{name}: commanded usage", usage(own.usage), (50, 3, 53))


def streaming(client, checks, name):
    began = time.monotonic()
    times, words, ends, told = [], "", [], []
    for chunk in ask(client, stream=True, max_tokens=20, stream_options={"include_usage": True}):
        times.append(time.monotonic() - began)
        told.append(usage(chunk.usage))
        for choice in chunk.choices:
            words += choice.delta.content or ""
            ends.append(choice.finish_reason)
    checks.equal(f"{name}: streamed words", len(words.split()), 20)
    checks.equal(f"{name}: streamed end", (ends[-1], set(ends[:-1])), ("length", {None}))
    checks.equal(f"{name}: streamed usage", (told[-1], set(told[:-1])), ((PROMPT, 20, PROMPT + 20), {None}))
    # 20 ms to the first token, and 20 tokens at 500 a second.
    checks.equal(f"{name}: never early", (times[0] >= 0.02, times[-1] >= 0.06), (True, True))
    # The first events do not wait for the last, which is an hour away.
    with ask(client, stream=True, extra_headers=command("latency_ns=3600000000000;first_ns=0")) as stream:
        checks.equal(f"{name}: as it comes", next(iter(stream)).choices[0].delta.role, "assistant")
    told = [chunk.usage for chunk in ask(client, stream=True, max_tokens=3)]
    checks.equal(f"{name}: usage that nobody asked for", set(told), {None})


def failing(client, checks, name, broken):
    """`broken`: what is raised where nothing of an answer arrives."""
    for status, kind in [
        (401, openai.AuthenticationError),
        (402, openai.APIStatusError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ]:
        for stream in [False, True]:
            call = lambda: ask(client, stream=stream, extra_headers=command(f"status={status}"))
            checks.raises(f"{name}: {status}", kind, call)
    checks.raises(f"{name}: no messages", openai.BadRequestError, lambda: client.chat.completions.create(model="mock", messages=[]))
    for fault in ["reset", "half_header", "garbage"]:
        checks.raises(f"{name}: {fault}", broken, lambda: ask(client, extra_headers=command(f"fault={fault}")))
    short = client.with_options(timeout=0.3)
    checks.raises(f"{name}: stall", openai.APITimeoutError, lambda: ask(short, extra_headers=command("fault=stall")))
    # The role and half of the tokens; the role, all of them and why it ends.
    for told, events in [("fault=cut", 1 + 4), ("told=cut", 1 + 9 + 1)]:
        seen = []
        cut = lambda: seen.extend(ask(client, stream=True, max_tokens=9, extra_headers=command(told)))
        checks.raises(f"{name}: stream with {told}", openai.APIConnectionError, cut)
        checks.equal(f"{name}: events before {told}", len(seen), events)


async def asynchronous(url, checks, name):
    async with openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0) as client:
        answers = await asyncio.gather(*(ask(client, max_tokens=tokens) for tokens in range(1, 9)))
        found = [answer.usage.completion_tokens for answer in answers]
        checks.equal(f"{name}: at the same time", found, list(range(1, 9)))


def all_of(address, checks, name, broken):
    url = f"http://{address}/v1"
    client = openai.OpenAI(api_key=KEY, base_url=url, max_retries=0)
    checks.equal(f"{name}: models", [model.id for model in client.models.list()], ["mock"])
    plain(client, checks, name)
    streaming(client, checks, name)
    failing(client, checks, name, broken)
    asyncio.run(asynchronous(url, checks, name))


def main():
    programs, checks = pathlib.Path(sys.argv[1]), Checks()
    print(f"openai {importlib.metadata.version('openai')}")
    with tempfile.TemporaryDirectory() as folder:
        scenario = pathlib.Path(folder) / "chat.yaml"
        scenario.write_text(SCENARIO)
        listen = ["--listen", "127.0.0.1:0"]
        rates = ["--first-token", "20ms", "--tokens-per-second", "500"]
        with Program("stdout", programs / "mock-upstreams", *listen, "--obey", *rates) as mock:
            serve = [programs / "farebox", "serve", "gateway", scenario, *listen, "--upstream", mock.address]
            with Program("stderr", *serve) as gateway:
                all_of(mock.address, checks, "directly", openai.APIConnectionError)
                all_of(gateway.address, checks, "through the gateway", openai.InternalServerError)
                checks.equal("what the gateway served", int(gateway.end().split()[1]) > 10, True)
    for wrong in checks.wrong:
        print(wrong)
    print(f"{checks.made} checks, {len(checks.wrong)} wrong")
    sys.exit(len(checks.wrong) > 0)


main()
