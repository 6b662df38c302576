"""Reads what pipelines are given with software of others, and compares it with the outcome.

usage: check.py FOLDER, where FOLDER holds the program `farebox`
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from html.parser import HTMLParser

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from lxml import etree
from markdown_it import MarkdownIt

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCENARIOS = ROOT / "scenarios"

# Whatever a request line may carry is a route, and whatever a file system takes is a file's name.
ROUTE = "/*it*'s|@team/&amp;=1+1:https://x.y/[a](b)" + "x" * 200
FILE = "=a,b:%\x1b[31m\u202e<script>alert(1)|`x`\"\u05e9\u05dc\U0001f3ab.yaml"
HOSTILE = f"""\
scenario: hostile
horizon: 30d
routes:
  "{ROUTE}": {{}}
plans:
  free: {{ includes: {{ requests: 60/month }}, past_allowance: block }}
consumers:
  hobby: {{ count: 60, plan: free, traffic: {{ rate: 2/day }} }}
thresholds:
  - refusals.rate < 0.01%
  - "calls{{outcome=served, route={ROUTE}}}.count >= 1k"
  - latency{{outcome=refused}}.p50 < 1ms
"""


def play(farebox, folder, *arguments):
    done = subprocess.run(
        [farebox, *arguments, "--quiet", "--out", "out"], cwd=folder, capture_output=True, text=True, check=False
    )
    # 6 is what a busy machine says of a load: its files are there and are to be read all the same.
    codes = (0, 1) if arguments[0] == "simulate" else (0, 1, 6)
    assert done.returncode in codes, f"{arguments}: exit code {done.returncode}\n{done.stderr}"
    return folder / "out"


def check_junit(schema, out):
    document = etree.parse(out / "junit.xml")
    schema.assertValid(document)
    suite = document.getroot()[0]
    cases = suite.findall("testcase")
    told = [int(suite.get(name)) for name in ("tests", "failures", "errors")]
    assert told == [len(cases), len(suite.findall(".//failure")), len(suite.findall(".//error"))], told
    thresholds = out / "thresholds.json"
    judged = json.loads(thresholds.read_text()) if thresholds.exists() else []
    failed = {case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None}
    for one in judged:
        assert (one["threshold"] in failed) == one["fails"], one
    return len(cases)


def read_log(out):
    reader = HistogramLogReader(str(out / "latency.hlog"), HdrHistogram(1_000, 24 * 3_600 * 10**9, 3))
    tags = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        tags[histogram.get_tag()] = histogram
    reader.close()
    return tags


def quantile(buckets, percent):
    """By the rule of HdrHistogram for Python, which rounds to the nearest rank."""
    total = sum(count for _, count in buckets)
    rank = max(1, int(percent / 100 * total + 0.5))
    for upper, count in buckets:
        rank -= count
        if rank <= 0:
            return upper
    raise AssertionError("nothing was counted")


def check_simulated_log(out):
    outcome = json.loads((out / "outcome.json").read_text())
    runs = [outcome["cohorts"], *(one["cohorts"] for one in outcome.get("stacked", []))]
    names = {"upstream": "latency", "first_token": "first_token", "recovery": "recovery", "first_success": "first_success"}
    tags = read_log(out)
    for tag, field in names.items():
        pooled = {}
        for cohort in (cohort for run in runs for cohort in run):
            for upper, count in cohort.get(field, []):
                pooled[upper] = pooled.get(upper, 0) + count
        buckets = sorted(pooled.items())
        assert (tag in tags) == bool(buckets), tag
        if not buckets:
            continue
        histogram = tags[tag]
        assert histogram.get_total_count() == sum(pooled.values()), tag
        for percent in (50, 90, 99):
            assert histogram.get_value_at_percentile(percent) == quantile(buckets, percent), (tag, percent)
        assert histogram.get_max_value() == histogram.get_highest_equivalent_value(buckets[-1][0]), tag
    return sum(histogram.get_total_count() for histogram in tags.values())


def check_load_log(out):
    run = json.loads((out / "run.json").read_text())
    load = run.get("load", run)
    told = dict(load["latency_ns"], service_time=load["service_ns"])
    if "first_token_ns" in load:
        told["first_token"] = load["first_token_ns"]
    tags = read_log(out)
    assert set(tags) == {tag for tag, of in told.items() if of["count"]}, (set(tags), set(told))
    for tag, histogram in tags.items():
        of = told[tag]
        assert histogram.get_total_count() == of["count"], tag
        for name, percent in (("p50", 50), ("p90", 90), ("p99", 99)):
            if of[name] is None:
                continue
            # The two take the next rank and the nearest: one apart at most.
            one = 100 / of["count"]
            ends = [histogram.get_value_at_percentile(min(100, max(0, percent + by * one))) for by in (-1, 1)]
            assert ends[0] <= of[name] <= ends[1], (tag, name, of[name], ends)
        assert histogram.get_max_value() == histogram.get_highest_equivalent_value(of["max"]), (tag, of["max"])
    return sum(histogram.get_total_count() for histogram in tags.values())


class Page(HTMLParser):
    """What a page is made of, and the text in its code."""

    def __init__(self):
        super().__init__()
        self.elements, self.code, self.open = {}, [], False

    def handle_starttag(self, tag, attrs):
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.open = self.open or tag == "code"
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag):
        self.open = self.open and tag != "code"

    def handle_data(self, data):
        if self.open:
            self.code[-1] += data


def check_summary(out, names):
    markdown = (out / "summary.md").read_text()
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    page = Page()
    page.feed(html)
    allowed = {"h2", "h3", "table", "thead", "tbody", "tr", "th", "td", "p", "code"}
    assert set(page.elements) <= allowed, set(page.elements) - allowed
    assert page.elements["table"] >= 3, page.elements
    for name in names:
        assert any(name in code for code in page.code), (name, page.code)
    keep = os.environ.get("KEEP_HTML")
    if keep:
        pathlib.Path(keep).write_text(f'<meta charset="utf-8"><body style="font-family: sans-serif">{html}')
    return page.elements["tr"]


def main():
    farebox = str(pathlib.Path(sys.argv[1]).resolve() / "farebox")
    schema = etree.XMLSchema(etree.parse(HERE / "junit.xsd"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for scenario in ("quickstart", "retry-storm", "llm-month", "reminders"):
            arguments = ["--replications", "2"] if scenario == "quickstart" else []
            out = play(farebox, folder, "simulate", str(SCENARIOS / f"{scenario}.yaml"), *arguments)
            cases, rows, values = check_junit(schema, out), check_summary(out, [scenario]), check_simulated_log(out)
            print(f"simulate {scenario}: {cases} tests, {rows} rows, {values:,} latencies")
        out = play(farebox, folder, "run", str(SCENARIOS / "quickstart.yaml"), "--duration", "3s")
        cases, rows, values = check_junit(schema, out), check_summary(out, ["quickstart"]), check_load_log(out)
        print(f"run quickstart: {cases} tests, {rows} rows, {values:,} latencies")
        (folder / FILE).write_text(HOSTILE)
        out = play(farebox, folder, "simulate", FILE)
        check_junit(schema, out)
        check_summary(out, [ROUTE, "\\u{1b}[31m\\u{202e}<script>alert(1)|`x`"])
        check_simulated_log(out)
        # The judge must be able to say no.
        broken = etree.fromstring(b"<testsuites tests='1' failures='0' errors='0'><testcase/></testsuites>")
        assert not schema.validate(broken)
        print("hostile names: text everywhere")


if __name__ == "__main__":
    main()
