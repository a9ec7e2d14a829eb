// The selection as a table, one page of it at a time, and as a CSV file.

const PAGE_ROWS = 20;

// a cell that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers
function csvCell(text) {
  if (text === null || text === undefined) return "";
  let cell = String(text);
  const isNumber = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(cell);
  if (!isNumber && /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/.test(cell)) cell = `'${cell}`;
  return /[",;\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

// all columns of the table, then the places on the map
function writeCsv(map, rows) {
  const columns = map.columns.filter((column) => !column.derived);
  const places = map.planes.flatMap((plane) => [[`Map_${plane.name}_1`, plane.x], [`Map_${plane.name}_2`, plane.y]]);
  const lines = [[...columns.map((column) => column.name), ...places.map(([name]) => name)].map(csvCell).join(",")];
  const written = columns.map((column) => column.levels?.map(csvCell));
  for (const i of rows) {
    const cells = columns.map((column, k) => (written[k] ? written[k][column.codes[i]] : column.text(i) ?? ""));
    for (const [, values] of places) cells.push(String(Number(values[i].toPrecision(6))));
    lines.push(cells.join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

function download(text, name) {
  // the mark at the beginning tells spreadsheets that the text is UTF-8
  const url = URL.createObjectURL(new Blob(["\uFEFF", text], { type: "text/csv;charset=utf-8" }));
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function countClasses(column, rows, limit) {
  const counts = new Map();
  for (const i of rows) counts.set(column.codes[i], (counts.get(column.codes[i]) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const named = sorted.slice(0, limit).map(([code, n]) => `${column.levels[code] ?? "missing"} ${n.toLocaleString("en")}`);
  const more = sorted.length - named.length;
  return named.join(" · ") + (more > 0 ? ` · ${more.toLocaleString("en")} more` : "");
}

// what tells wells apart, on any map of the page; null where the map does not know them
function wellOf(map) {
  const [plate, well] = [map.role("plate"), map.role("well")];
  if (!well?.isText) return null;
  return (i) => JSON.stringify([plate?.isText ? plate.text(i) : null, well.text(i)]);
}

// choose, on another map, whatever lies in the same wells as the rows of this one
function showOn(other, map, rows) {
  const [here, there] = [wellOf(map), wellOf(other)];
  const wells = new Set(rows.map(here));
  const points = [];
  for (let i = 0; i < other.n; i++) if (wells.has(there(i))) points.push(i);
  if (!points.length) {
    map.say(`None of their wells is on the map of ${other.noun}.`, true);
    return;
  }
  other.jump(points, countOf(wells.size, "wells"));
  other.part("plot").focus();
  other.root.scrollIntoView({ block: "start" });
}

class SelectionTable {
  constructor(map, place) {
    this.map = map;
    this.place = place;
    this.rows = [];
    this.page = 0;
    this.sorting = { column: null, down: false };
    this.draw();
  }

  show(rows) {
    this.rows = rows;
    this.page = 0;
    this.sort();
    this.draw();
  }

  sort() {
    const { column, down } = this.sorting;
    const order = this.map.rows;
    this.rows.sort((i, j) => (column ? (down ? -1 : 1) * column.compare(i, j) : 0) || order[i] - order[j]);
  }

  sortBy(column) {
    const same = this.sorting.column === column;
    this.sorting = { column, down: same && !this.sorting.down };
    this.page = 0;
    this.sort();
    this.draw();
    this.place.querySelector(`[data-column="${this.map.columns.indexOf(column)}"]`)?.focus();
  }

  turn(page) {
    const label = document.activeElement?.getAttribute("aria-label");
    this.page = page;
    this.draw();
    this.place.querySelector(".atm-scroll").scrollTop = 0;
    const pager = this.place.querySelector(".atm-pager"); // the focus stays where it was, or near by
    (pager.querySelector(`[aria-label="${label}"]:enabled`) ?? pager.querySelector("button:enabled")).focus();
  }

  draw() {
    const { map, rows } = this;
    if (!rows.length) {
      this.place.replaceChildren(
        element("p", { class: "atm-empty" }, `Nothing is selected. Draw around ${map.noun} with the lasso, click one, or take a class in the legend: they are listed here, and can be saved as CSV.`),
      );
      return;
    }
    const roles = ["control", "compound", "plate"].map((role) => map.role(role)).filter((column) => column?.isText && column.levels.length > 1);
    const summary = roles.map((column) =>
      element("p", { class: "atm-summary", dir: "auto" }, element("strong", {}, `${column.label}: `), countClasses(column, rows, 6)),
    );
    this.place.replaceChildren(
      element(
        "div",
        { class: "atm-head" },
        element("p", { class: "atm-chosen" }, `${countOf(rows.length, map.noun)} selected`),
        element("button", { type: "button", "data-atm": "csv", onclick: () => download(writeCsv(map, rows), `${map.name}_selection.csv`) }, "Download as CSV"),
        element("button", { type: "button", "data-atm": "clear", onclick: () => map.clear() }, "End selection"),
        ...this.links(),
      ),
      ...summary,
      this.drawPage(),
      ...this.drawPager(),
    );
  }

  links() {
    const { map, rows } = this;
    const others = allMaps.filter((other) => other !== map && wellOf(map) && wellOf(other));
    return others.map((other) =>
      element("button", { type: "button", "data-show-on": other.name, onclick: () => showOn(other, map, rows) }, `Show on the map of ${other.noun}`),
    );
  }

  drawPage() {
    const { map, rows } = this;
    const columns = map.columns.filter((column) => !column.derived);
    const head = columns.map((column) => {
      const sorted = this.sorting.column === column ? (this.sorting.down ? "descending" : "ascending") : "none";
      const arrow = { ascending: " ▲", descending: " ▼", none: "" }[sorted];
      return element(
        "th",
        { scope: "col", "aria-sort": sorted },
        element("button", { type: "button", "data-column": map.columns.indexOf(column), onclick: () => this.sortBy(column), title: `Sort by ${column.name}` }, column.label + arrow),
      );
    });
    const body = rows.slice(this.page * PAGE_ROWS, (this.page + 1) * PAGE_ROWS).map((i) =>
      element(
        "tr",
        { "data-row": map.rows[i], onpointerenter: () => map.ring(i), onpointerleave: () => map.ring(-1) },
        map.pictures ? element("td", {}, map.pictures.draw(i, 40)) : null,
        ...columns.map((column) => element("td", { class: column.isText ? null : "atm-number", dir: column.isText ? "auto" : null }, column.text(i) === null ? "" : column.show(i))),
      ),
    );
    return element(
      "div",
      { class: "atm-scroll", tabindex: "0", role: "group", "aria-label": "Table, scrolls" },
      element(
        "table",
        {},
        element("thead", {}, element("tr", {}, map.pictures ? element("th", { scope: "col" }, "Image") : null, ...head)),
        element("tbody", {}, ...body),
      ),
    );
  }

  drawPager() {
    const n = this.rows.length;
    const last = Math.ceil(n / PAGE_ROWS) - 1;
    if (last < 1) return [];
    const button = (text, label, page, off) =>
      element("button", { type: "button", "aria-label": label, disabled: off, onclick: () => this.turn(page) }, text);
    const [from, to] = [this.page * PAGE_ROWS + 1, Math.min(n, (this.page + 1) * PAGE_ROWS)];
    return [
      element(
        "div",
        { class: "atm-pager", role: "group", "aria-label": "Pages" },
        button("«", "First page", 0, this.page === 0),
        button("‹", "Page before", this.page - 1, this.page === 0),
        element("span", {}, `${from.toLocaleString("en")} to ${to.toLocaleString("en")} of ${n.toLocaleString("en")}`),
        button("›", "Next page", this.page + 1, this.page === last),
        button("»", "Last page", last, this.page === last),
      ),
    ];
  }
}
