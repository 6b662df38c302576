#!/usr/bin/env python3
"""What a request costs the servers of this project beside others, in one run, the tools interleaved in each round.

mock       mock-upstreams against nginx `return 200`: requests a second on one core, CPU per request
streaming  CPU per chat completion of 33 events that is passed on as it comes: the gateway, all checks and the ledger on, tokens
           counted from the stream, against a bare pingora proxy and nginx's; the upstream is mock-upstreams, which sends each
           token by itself

usage: PEERS=../shared/peers PEERS_HOME=... benches/servers.py mock|streaming [--bin target/release] [--rounds 9]

wrk is on one core with the upstream, the measured server on the other. All of it is loopback, and bounded in time."""
import argparse, os, re, statistics, subprocess, sys, tempfile

sys.path.insert(0, os.environ.get("PEERS", "../shared/peers"))
from benchlib import P, cpu, origin, start, steal, stop  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", choices=["mock", "streaming"])
parser.add_argument("--bin", default="target/release")
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--secs", type=int, default=3)
args = parser.parse_args()
FOLDER = tempfile.mkdtemp()


def wrk(process, url, secs, lua=None):
    """Requests a second, and the CPU µs of each in the server, of answers that are all successes."""
    script = ["-s", lua] if lua else []
    command = ["taskset", "-c", "0", "wrk", "-t1", "-c64", "-H", "X-API-Key: key-000042", *script, url]
    subprocess.run([*command, "-d1s"], capture_output=True, check=True, timeout=30)
    before = cpu(process.pid)
    text = subprocess.run([*command, f"-d{secs}s"], capture_output=True, text=True, check=True, timeout=60).stdout
    spent = cpu(process.pid) - before
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{url}: not all answers are successes:\n{text}")
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), spent / requests * 1e6


def interleaved(tools, measure):
    rows = {name: [] for name in tools}
    for round_ in range(args.rounds):
        for name, launch in tools.items():
            process, url = launch()
            try:
                rows[name].append(measure(process, url))
            finally:
                stop(process)
            print(f"  {round_} {name}: {rows[name][-1][0]:,.0f}/s, {rows[name][-1][1]:.1f} µs", file=sys.stderr, flush=True)
    return rows


def told(rows, base, what):
    print(f"| {what} | requests a second | CPU µs a request | CPU ÷ {base}, paired | requests ÷ {base}, paired |\n|---|---|---|---|---|")
    for name, values in rows.items():
        shown = []
        for index in (0, 1):
            column = sorted(value[index] for value in values)
            shown.append(f"{statistics.median(column):,.1f} ({column[0]:,.1f}–{column[-1]:,.1f})")
        for index in (1, 0):
            ratios = sorted(mine[index] / theirs[index] for mine, theirs in zip(values, rows[base]))
            shown.append(f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})")
        print(f"| {name} | " + " | ".join(shown) + " |")


def mock():
    def ours():
        return start([f"{args.bin}/mock-upstreams", "--listen", "127.0.0.1:9008"], "1", 9008, log="mock"), "http://127.0.0.1:9008/"

    def nginx():
        return origin("1"), "http://127.0.0.1:9001/"

    rows = interleaved({"mock-upstreams": ours, "nginx return 200": nginx}, lambda process, url: wrk(process, url, args.secs))
    told(rows, "nginx return 200", "server")


def streaming():
    upstream = "127.0.0.1:9018"
    chat = f"{FOLDER}/chat.lua"
    with open(chat, "w") as file:
        file.write("""wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"model":"mock","stream":true,"stream_options":{"include_usage":true},"max_tokens":30,"messages":[{"role":"user","content":"Hello"}]}'
""")
    with open(f"{FOLDER}/nginx.conf", "w") as file:
        file.write(f"""daemon off; master_process on; worker_processes 1; pid {FOLDER}/pid; error_log {FOLDER}/log warn;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {FOLDER}/b; proxy_temp_path {FOLDER}/p;
 fastcgi_temp_path {FOLDER}/f; uwsgi_temp_path {FOLDER}/u; scgi_temp_path {FOLDER}/s;
 upstream mock {{ server {upstream}; keepalive 256; }}
 server {{ listen 127.0.0.1:9121; location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_buffering off; }} }} }}
""")
    tools = {
        "farebox, all checks, tokens counted": ([f"{args.bin}/farebox", "serve", "gateway", "benches/streaming.yaml", "--listen",
                                                 "127.0.0.1:9151", "--upstream", upstream, "--threads", "1"], 9151),
        "pingora": ([P + "/src/pingora_px/target/release/pingora_px", "127.0.0.1:9141", upstream, "1"], 9141),
        "nginx, unbuffered": (["nginx", "-c", f"{FOLDER}/nginx.conf"], 9121),
    }

    def launcher(command, port):
        return lambda: (start(command, "1", port, log="gateway"), f"http://127.0.0.1:{port}/v1/chat/completions")

    service = start([f"{args.bin}/mock-upstreams", "--listen", upstream, "--first-token", "5ms", "--tokens-per-second", "2000"], "0", 9018,
                    log="mock")
    try:
        rows = interleaved({name: launcher(*tool) for name, tool in tools.items()},
                           lambda process, url: wrk(process, url, args.secs, chat))
    finally:
        stop(service)
    told(rows, "pingora", "gateway")


before = steal()
{"mock": mock, "streaming": streaming}[args.what]()
after = steal()
print(f"\nsteal: {(after[0] - before[0]) / max(1, after[1] - before[1]):.2%}")
