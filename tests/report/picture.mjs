// Takes the picture of a report that the README shows: its top, as a desk has it.
//
//   node picture.mjs PAGE PNG
//
// CHROMIUM names the browser; `/usr/bin/chromium` if it does not.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [report, png] = process.argv.slice(2);
if (!report || !png) {
  console.error("usage: node picture.mjs PAGE PNG");
  process.exit(2);
}
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, colorScheme: "light" });
const page = await context.newPage();
await page.goto(pathToFileURL(resolve(report)).href);
// Down to the end of the first chart.
const chart = await page.locator("figure .chart").first().boundingBox();
await page.screenshot({ path: png, clip: { x: 0, y: 0, width: 1400, height: chart.y + chart.height }, fullPage: true });
await browser.close();
