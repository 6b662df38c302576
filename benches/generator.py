#!/usr/bin/env python3
"""How true and how even the generator's open loop is, beside oha and a raw epoll generator, in one run.

latency  a server that takes exactly 2 ms, and one that stands still for 200 ms in every 2 s (then the 99th percentile from
         the intended start is 180 ms); the rate is what was completed over the time asked for
pacing   how evenly calls arrive at the server: the index of dispersion of their counts, constant 0, Poisson 1

usage: PEERS=../shared/peers PEERS_HOME=... benches/generator.py latency|pacing [--farebox target/release/farebox] [--rounds 9]

The server is on one core and the generator on the other. All of it is loopback, and bounded in time."""
import argparse, json, os, statistics, sys, tempfile

sys.path.insert(0, os.environ.get("PEERS", "../shared/peers"))
from benchlib import NET, P, start, steal, stop, subprocess  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", choices=["latency", "pacing"])
parser.add_argument("--farebox", default="target/release/farebox")
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--arrivals", nargs="+", default=["constant", "poisson"], help="of pacing")
parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 5_000, 10_000], help="of pacing")
parser.add_argument("--secs", type=int, default=8)
args = parser.parse_args()
PORT, CONNECTIONS = 9004, 64
# Before what else the machine does, if that is allowed: all tools and the server alike.
FIRST = ["chrt", "-f", "10"] if subprocess.run(["chrt", "-f", "10", "true"], capture_output=True).returncode == 0 else []
FOLDER = tempfile.mkdtemp()


def scenario(arrivals):
    path = f"{FOLDER}/{arrivals}.yaml"
    with open(path, "w") as file:
        file.write(f"""scenario: {arrivals}
horizon: 1h
plans: {{ free: {{}} }}
consumers: {{ caller: {{ count: 1, plan: free, joined: start, traffic: {{ rate: 10k/s, arrivals: {arrivals} }} }} }}
live: {{ connections: {CONNECTIONS} }}
""")
    return path


SCENARIOS = {arrivals: scenario(arrivals) for arrivals in ("constant", "poisson")}
URL = f"http://127.0.0.1:{PORT}"


def farebox(rate, secs, arrivals="constant"):
    out = f"{FOLDER}/out"
    return [args.farebox, "load", SCENARIOS[arrivals], "--target", URL, "--rate", f"{rate}/s", "--duration", f"{secs}s",
            "--jobs", "1", "--out", out, "--quiet"]


def oha(rate, secs):
    return [P + "/bin/oha", "--no-tui", "--output-format", "json", "-c", str(CONNECTIONS), "-z", f"{secs}s", "-q", str(rate),
            "-w", "--latency-correction", "--worker-threads", "1", URL + "/"]


def raw(rate, secs, arrivals="constant"):
    poisson = ["--poisson"] if arrivals == "poisson" else []
    return [NET + "/olg", "--addr", f"127.0.0.1:{PORT}", "--conns", str(CONNECTIONS), "--rate", str(rate), "--secs",
            str(secs), "--warm", "0", *poisson]


def run(command):
    """Standard output, and the CPU seconds of the process and what it started."""
    before = os.times()
    done = subprocess.run([*FIRST, "taskset", "-c", "0", *command], capture_output=True, text=True, timeout=120)
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return done.stdout, cpu


def read_farebox(_):
    with open(f"{FOLDER}/out/run.json") as file:
        seen = json.load(file)
    times = seen["latency_ns"]["served"]
    return seen["completed"], [times[name] / 1e6 for name in ("p50", "p99", "p999")]


def read_oha(text):
    seen = json.loads(text)
    times = seen["latencyPercentiles"]
    return sum(seen["statusCodeDistribution"].values()), [times[name] * 1e3 for name in ("p50", "p99", "p99.9")]


def read_raw(text):
    seen = json.loads(text)
    return seen["done"], [seen["lat_us"][index] / 1e3 for index in (0, 3, 4)]


TOOLS = {"farebox": (farebox, read_farebox), "oha": (oha, read_oha), "raw epoll": (raw, read_raw)}


def latency():
    print("| server | rate | tool | completed of asked | p50 ms | p99 ms | p99.9 ms | CPU µs a call |\n|---|---|---|---|---|---|---|---|")
    for server, options in (("2 ms", ["--delay-us", "2000"]), ("stalls 200 ms in 2 s", ["--stall-every-ms", "2000", "--stall-ms", "200"])):
        for rate in (5_000, 10_000):
            rows = {tool: [] for tool in TOOLS}
            for _ in range(args.rounds):
                for tool, (command, read) in TOOLS.items():
                    process = start([NET + "/epsrv", "--listen", f"127.0.0.1:{PORT}", *options], "1", PORT, log="epsrv")
                    try:
                        text, cpu = run(command(rate, args.secs))
                    finally:
                        stop(process)
                    completed, percentiles = read(text)
                    rows[tool].append([completed / (rate * args.secs), *percentiles, cpu / completed * 1e6])
            for tool, values in rows.items():
                share, *rest = [statistics.median(column) for column in zip(*values)]
                print(f"| {server} | {rate} | {tool} | {share:.4%} | " + " | ".join(f"{value:.2f}" for value in rest) + " |", flush=True)


def pacing():
    print("| rate | arrivals | tool | dispersion in 1 ms: median | each round | CPU µs a call |\n|---|---|---|---|---|---|")
    for rate in args.rates:
        cases = [("constant", "farebox", farebox(rate, 4)), ("constant", "oha", oha(rate, 4)), ("constant", "raw epoll", raw(rate, 4)),
                 ("poisson", "farebox", farebox(rate, 4, "poisson")), ("poisson", "raw epoll", raw(rate, 4, "poisson"))]
        cases = [case for case in cases if case[0] in args.arrivals]
        rows = {case[:2]: ([], []) for case in cases}
        for _ in range(args.rounds):
            for arrivals, tool, command in cases:
                server = subprocess.Popen([*FIRST, "taskset", "-c", "1", NET + "/epsrv", "--listen", f"127.0.0.1:{PORT}", "--gaps", str(rate * 3)],
                                          stdout=subprocess.PIPE, text=True)
                subprocess.run(["sleep", "0.3"], check=True)
                _, cpu = run(command)
                server.terminate()
                words = server.communicate()[0].split()
                dispersions, cpus = rows[arrivals, tool]
                dispersions.append(float(words[words.index("1ms") + 1]))
                cpus.append(cpu / (rate * 4) * 1e6)
        for (arrivals, tool), (dispersions, cpus) in rows.items():
            each = ", ".join(f"{value:.2f}" for value in dispersions)
            print(f"| {rate} | {arrivals} | {tool} | {statistics.median(dispersions):.2f} | {each} | {statistics.median(cpus):.1f} |",
                  flush=True)


before = steal()
{"latency": latency, "pacing": pacing}[args.what]()
after = steal()
print(f"\nsteal: {(after[0] - before[0]) / max(1, after[1] - before[1]):.2%}")
