"use strict";
// What the page can do beside being read: other colours, tables in another order, figures under the pointer.
(() => {
  const root = document.documentElement;

  // Colours. Where nothing may be kept, the choice lasts as long as the page.
  const kept = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("farebox-theme");
      localStorage.setItem("farebox-theme", value);
    } catch { /* a file from a disk may have no storage */ }
    return null;
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const before = kept();
  if (before === "dark" || before === "light") root.dataset.theme = before;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "theme";
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours"); };
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; kept(root.dataset.theme); label(); });
  dark.addEventListener("change", label);
  label();
  document.querySelector("header .inner").append(button);

  // Tables in the order of a column. Statements stay as they are: their lines add up from top to bottom; and so do tables
  // with lines that go on from the one above.
  const value = (row, column) => row.cells[column].textContent.trim();
  const units = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, min: 60, h: 3600, day: 86400, days: 86400, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
  // `p50 1.5 s` is longer than `30 ms`; what holds no number is less than all that do.
  const asNumber = (text) => {
    const found = text.replace(/^p[0-9.]+ /, "").replace(/,/g, "").match(/([-−])?[^-−0-9]{0,4}?([0-9]+(?:\.[0-9]+)?) ?([A-Za-zµ]+)?/);
    return found ? (found[1] ? -1 : 1) * Number(found[2]) * (units[found[3]] ?? 1) : -Infinity;
  };
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    if (body.rows.length < 2 || [...body.rows].some((row) => /^(= |…$)/.test(value(row, 0)))) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const sort = document.createElement("button");
      sort.type = "button";
      sort.append(...head.childNodes);
      head.append(sort);
      sort.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const numbers = body.rows[0].cells[column].classList.contains("number");
        const rows = [...body.rows].sort((a, b) => numbers ? asNumber(value(a, column)) - asNumber(value(b, column)) : value(a, column).localeCompare(value(b, column), "en", { numeric: true }));
        body.append(...(up ? rows : rows.reverse()));
      });
    });
  }

  // The row of the table that is nearest to the pointer, beside it.
  for (const figure of document.querySelectorAll("figure")) {
    const rows = [...figure.querySelectorAll("tr[data-at]")].map((row) => ({ at: Number(row.dataset.at), row }));
    if (rows.length === 0) continue;
    const chart = figure.querySelector(".chart");
    const heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    const tip = document.createElement("div");
    const mark = document.createElement("div");
    tip.className = "tip";
    mark.className = "mark";
    tip.hidden = mark.hidden = true;
    tip.setAttribute("aria-hidden", "true");
    chart.append(mark, tip);
    const tell = (event) => {
      const svg = event.target.closest("svg");
      if (!svg) return;
      const box = svg.getBoundingClientRect();
      const scale = box.width / Number(svg.dataset.width);
      const [left, right] = svg.dataset.plot.split(" ").map(Number);
      const along = ((event.clientX - box.left) / scale - left) / (right - left);
      const near = rows.reduce((best, row) => Math.abs(row.at - along) < Math.abs(best.at - along) ? row : best);
      tip.textContent = [...near.row.cells].map((cell, nth) => nth === 0 ? cell.textContent.trim() : `${heads[nth]}: ${cell.textContent.trim()}`).join("\n");
      tip.hidden = mark.hidden = false;
      const x = (left + near.at * (right - left)) * scale;
      mark.style.left = `${x}px`;
      tip.style.left = x + 12 + tip.offsetWidth > box.width ? `${Math.max(0, x - 12 - tip.offsetWidth)}px` : `${x + 12}px`;
      tip.style.top = "0px";
    };
    // A finger taps, and does not hover.
    for (const kind of ["pointermove", "pointerdown"]) chart.addEventListener(kind, tell);
    chart.addEventListener("pointerleave", () => { tip.hidden = mark.hidden = true; });
  }

  // On paper nothing can be opened.
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...document.querySelectorAll("details:not([open])")]; for (const it of opened) it.open = true; });
  addEventListener("afterprint", () => { for (const it of opened) it.open = false; });
})();
