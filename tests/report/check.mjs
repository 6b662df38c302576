// Opens reports in headless Chromium, at the width of a phone and of a desk, dark and light, and fails on whatever a reader
// would trip over: errors on the console, requests that leave the page, charts without a table, text without contrast, a
// page that scrolls sideways.
//
//   node check.mjs SCREENSHOTS NAME=FILE...
//
// CHROMIUM names the browser; `/usr/bin/chromium` if it does not.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [shots, ...named] = process.argv.slice(2);
if (!shots || named.length === 0) {
  console.error("usage: node check.mjs SCREENSHOTS NAME=FILE...");
  process.exit(2);
}
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
mkdirSync(shots, { recursive: true });
const problems = [];

// One page in one shape: what is wrong with it.
async function look(browser, name, file, width, scheme) {
  const said = (what) => problems.push(`${name}, ${width} px, ${scheme}: ${what}`);
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP: false });
  const page = await context.newPage();
  const own = pathToFileURL(resolve(file)).href;
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) said(`console: ${message.text()}`); });
  page.on("pageerror", (error) => said(`script: ${error.message}`));
  page.on("dialog", (dialog) => { said(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    if (request.url() !== own && !request.url().startsWith("data:")) said(`a request to ${request.url()}`);
  });
  await page.goto(own, { waitUntil: "load" });

  const facts = await page.evaluate(() => {
    const text = (element) => element?.textContent.trim() ?? "";
    const figures = [...document.querySelectorAll("figure")];
    const without = figures.filter((figure) => {
      const rows = figure.querySelectorAll("details table tbody tr").length;
      return rows === 0 || !text(figure.querySelector("caption")) || !text(figure.querySelector("h3")) || !figure.querySelector("svg[role=img]");
    });
    const shown = (element) => element.checkVisibility();
    const drawn = figures.filter((figure) => [...figure.querySelectorAll(".chart > svg")].filter(shown).length !== 1);
    const small = [...document.querySelectorAll(".chart > svg text")].filter(shown).filter((it) => it.getBoundingClientRect().height < 9);
    const cut = [...document.querySelectorAll(".chart > svg")].filter(shown).flatMap((svg) => {
      const box = svg.getBoundingClientRect();
      const outside = (it) => { const own = it.getBoundingClientRect(); return own.left < box.left - 2 || own.right > box.right + 2 || own.top < box.top - 3 || own.bottom > box.bottom + 3; };
      return [...svg.querySelectorAll("text")].filter(outside).map(text);
    });
    // Labels that touch each other cannot be read.
    const crossed = [...document.querySelectorAll(".chart > svg")].filter(shown).flatMap((svg) => {
      const texts = [...svg.querySelectorAll("text")].map((it) => [text(it), it.getBoundingClientRect()]);
      const cross = ([, a], [, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
      return texts.flatMap((one, nth) => texts.slice(nth + 1).filter((other) => cross(one, other)).map((other) => `${one[0]} / ${other[0]}`));
    });
    // A picture without anything drawn in it.
    const blank = figures.filter((figure) => !figure.querySelector(".chart > svg :is(rect, polygon, polyline, path, circle)"));
    return {
      crossed,
      blank: blank.map((it) => text(it.querySelector("h3"))),
      lang: document.documentElement.lang,
      headings: document.querySelectorAll("h1").length,
      sideways: document.documentElement.scrollWidth - innerWidth,
      scripts: document.querySelectorAll("script").length,
      handlers: [...document.querySelectorAll("*")].flatMap((it) => it.getAttributeNames()).filter((it) => it.startsWith("on")),
      without: without.map((it) => it.id || text(it.querySelector("h3"))),
      drawn: drawn.map((it) => text(it.querySelector("h3"))),
      small: small.map(text),
      cut,
      figures: figures.length,
      scopeless: document.querySelectorAll("th:not([scope])").length,
      captionless: document.querySelectorAll("table:not(:has(caption))").length,
    };
  });
  if (facts.lang !== "en" || facts.headings !== 1) said("no language, or not one first heading");
  if (facts.sideways > 0) said(`the page scrolls ${facts.sideways} px sideways`);
  if (facts.scripts !== 1 || facts.handlers.length > 0) said(`foreign scripts: ${facts.scripts}, ${facts.handlers}`);
  for (const figure of facts.without) said(`the chart "${figure}" lacks its heading, picture or table`);
  for (const figure of facts.drawn) said(`the chart "${figure}" is not shown in one shape`);
  for (const text of facts.small) said(`text too small to read: ${text}`);
  for (const text of facts.crossed) said(`labels that overlap: ${text}`);
  for (const figure of facts.blank) said(`the chart "${figure}" is empty`);
  for (const text of facts.cut) said(`text that leaves its picture: ${text}`);
  if (facts.scopeless + facts.captionless > 0) said("a table without a caption, or a heading without a scope");
  await page.screenshot({ path: join(shots, `${name}-${width}-${scheme}.png`), fullPage: true });

  // On paper it is dark on white, without what can only be clicked, and with what is folded.
  await page.emulateMedia({ media: "print", colorScheme: scheme });
  const paper = await page.evaluate(() => {
    const shown = (selector) => [...document.querySelectorAll(selector)].some((it) => it.checkVisibility());
    const root = document.documentElement;
    root.dataset.theme = "dark";
    const themed = getComputedStyle(document.body).color;
    delete root.dataset.theme;
    dispatchEvent(new Event("beforeprint"));
    const found = { themed, text: getComputedStyle(document.body).color, clicked: shown("nav, .theme, .skip, summary"), folded: ![...document.querySelectorAll("details tbody th")].every((it) => it.checkVisibility()) };
    dispatchEvent(new Event("afterprint"));
    return { ...found, open: shown("details[open]") };
  });
  if (paper.text !== "rgb(27, 31, 39)" || paper.themed !== paper.text || paper.clicked || paper.folded || paper.open) said(`printed: ${JSON.stringify(paper)}`);
  await page.emulateMedia({ media: "screen", colorScheme: scheme });

  // What is folded is read as well.
  await page.evaluate(() => { for (const it of document.querySelectorAll("details")) it.open = true; });
  // The page lets no other script in; the inspector may.
  const session = await context.newCDPSession(page);
  const run = async (expression) => (await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true })).result.value;
  await run(`${axe}; undefined`);
  const found = await run("axe.run(document, { resultTypes: ['violations'] }).then((it) => it.violations.map((v) => `${v.impact}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')} (${v.nodes.length})`))");
  if (!Array.isArray(found)) said("axe has not run");
  for (const violation of found ?? []) said(`axe: ${violation}`);
  const opened = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (opened > 0) said(`opened, the page scrolls ${opened} px sideways`);
  await use(page, said);
  await context.close();
  return facts.figures;
}

// Sorting, hovering and the button for colours do what they say.
async function use(page, said) {
  const theme = page.locator("button.theme");
  const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await theme.click();
  if (await page.evaluate(() => getComputedStyle(document.body).backgroundColor) === before) said("the button changes no colours");
  const sort = page.locator("thead button").first();
  if (await sort.count() > 0) {
    await sort.click();
    if (await page.locator("th[aria-sort]").count() !== 1) said("a table cannot be sorted");
  }
  // Figures are in the order of what they mean, not of how they are written.
  const order = await page.evaluate(() => {
    const sorted = (table) => table.tBodies[0].rows.length > 4 && table.querySelector("th.number button");
    const table = [...document.querySelectorAll("table")].find(sorted);
    if (!table) return [];
    const column = [...table.tHead.rows[0].cells].findIndex((head) => head.classList.contains("number"));
    const cells = () => [...table.tBodies[0].rows].map((row) => row.cells[column]);
    const written = ["30 ms", "-", "p50 1.5 s", "−$1,200.00", "2 days"];
    cells().forEach((cell, nth) => { cell.textContent = written[nth] ?? "-"; });
    table.querySelector("th.number button").click();
    return cells().map((cell) => cell.textContent).slice(0, 5);
  });
  if (order.length > 0 && order.join() !== "2 days,p50 1.5 s,30 ms,−$1,200.00,-") said(`sorted wrongly: ${order}`);
  const hovered = page.locator("figure:has(tr[data-at]) .chart > svg:visible").first();
  if (await hovered.count() > 0) {
    await hovered.hover();
    const tip = await page.locator(".tip:visible").first().textContent({ timeout: 2000 }).catch(() => "");
    if (!tip.includes(":")) said("nothing is told under the pointer");
  }
}

// Without any script the page says the same.
async function read(browser, name, file) {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  await page.goto(pathToFileURL(resolve(file)).href);
  if (await page.locator("h2").count() < 5) problems.push(`${name}: without script there is little to read`);
  await context.close();
}

// The browser makes itself a profile that is gone with it.
const launched = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
let looked = 0;
try {
  for (const pair of named) {
    const at = pair.indexOf("=");
    const [name, file] = [pair.slice(0, at), pair.slice(at + 1)];
    let figures = 0;
    for (const width of [390, 1400]) for (const scheme of ["light", "dark"]) { figures = await look(launched, name, file, width, scheme); looked += 1; }
    await read(launched, name, file);
    console.log(`${name}: ${figures} charts`);
  }
} finally {
  await launched.close();
}
for (const problem of problems) console.error(problem);
console.log(`${looked} pages looked at, ${problems.length} problems`);
process.exit(problems.length > 0 ? 1 : 0);
