// Makes hostile results of honest ones: every name becomes one that tries to break out of the page, to steer a terminal, to
// turn the line around, or to fill it.
//
//   node hostile.mjs FROM TO

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [from, to] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(join(from, name), "utf8"));
const outcome = read("outcome.json");
const about = read("about.json");

const names = new Set([outcome.scenario, ...about.services.map((it) => it.name), ...Object.keys(about.routes)]);
for (const cohort of outcome.cohorts) {
  for (const name of [cohort.cohort, cohort.plan, ...Object.keys(cohort.usage)]) names.add(name);
}
const evil = (name) => `</title></svg><script>document.title='broken'</script><img src=x onerror="alert(1)">'\u{1b}[31m\u{202e}שלום 💥 ${name} ${"x".repeat(300)}`;
const renamed = (text) => (names.has(text) ? evil(text) : text);
const walk = (value) => {
  if (typeof value === "string") return renamed(value);
  if (Array.isArray(value)) return value.map(walk);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [renamed(key), walk(inner)]));
};
mkdirSync(to, { recursive: true });
// The seed does not survive a number of this language where it is large; that of a test is small.
writeFileSync(join(to, "outcome.json"), JSON.stringify(walk(outcome)));
writeFileSync(join(to, "about.json"), JSON.stringify({ ...walk(about), question: evil("why?"), command: evil("farebox") }));
