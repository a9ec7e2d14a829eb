// The legend: what colors and markers mean. Every entry is a button that selects its points.

const SVG = "http://www.w3.org/2000/svg";
const OUTLINES = {
  o: "M8 3a5 5 0 1 0 .01 0z",
  s: "M3 3h10v10H3z",
  "^": "M8 2.5 14 13.5H2z",
  D: "M8 1.5 13 8 8 14.5 3 8z",
};
const CONTROL_MARKERS = { negative: "s", positive: "^", untreated: "D" };

function drawMarker(marker, color) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }))
    svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", OUTLINES[marker]);
  path.setAttribute("fill", color);
  if (marker !== "o" || color === "#FFFFFF") path.setAttribute("stroke", "#000");
  svg.append(path);
  return svg;
}

function legendButton(marker, color, label, count, onclick) {
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", class: "atm-entry", title: `Select ${label}`, onclick },
      drawMarker(marker, color),
      element("span", { class: "atm-label", dir: "auto" }, label),
      element("span", { class: "atm-count" }, count.toLocaleString("en")),
    ),
  );
}

function drawScale(scale, palette) {
  const stops = palette.filter((_, i) => i % 15 === 0);
  const ticks = scale.ticks.map(([place, text]) =>
    element("span", { class: "atm-tick", style: `bottom: ${(100 * place).toFixed(2)}%` }, text),
  );
  const bar = element("div", { class: "atm-gradient", style: `background: linear-gradient(to top, ${stops.join(",")})` });
  const said = `${scale.title}: from ${formatEnd(scale.low)} (dark) to ${formatEnd(scale.high)} (bright)`;
  const notes = [scale.log ? "Logarithmic." : null];
  const n = scale.below + scale.above;
  if (n)
    notes.push(`${n.toLocaleString("en")} ${n === 1 ? "value beyond the ends has" : "values beyond the ends have"} the color of the end.`);
  return element(
    "div",
    { class: "atm-scale" },
    element("div", { class: "atm-bar-and-ticks", role: "img", "aria-label": said }, bar, element("div", { class: "atm-ticks" }, ...ticks)),
    element("p", { class: "atm-note" }, notes.filter(Boolean).join(" ")),
  );
}

function formatEnd(value) {
  return String(Number(value.toPrecision(3)));
}

// map: { column, layers, palette, noColor, selectWhere(test, label) }
function drawLegend(place, map) {
  const { column } = map;
  const children = [];
  if (column) {
    const { coloring } = column;
    children.push(element("p", { class: "atm-title", dir: "auto" }, coloring.title ?? column.label));
    if (coloring.classes) {
      const entries = coloring.classes.map((entry, k) =>
        legendButton(entry.marker, entry.color, entry.label, entry.count, () =>
          map.selectWhere((i) => column.classOf(i) === k, entry.label),
        ),
      );
      children.push(element("ul", { class: "atm-entries" }, ...entries));
    } else {
      children.push(drawScale(coloring, map.palette));
      const values = column.scaled;
      const extra = [
        [coloring.zero, "0", (i) => values[i] === 0],
        [coloring.missing, "missing", (i) => Number.isNaN(values[i])],
      ].filter(([count]) => count > 0);
      const entries = extra.map(([count, label, test]) =>
        legendButton("o", map.noColor, label, count, () => map.selectWhere(test, label)),
      );
      if (entries.length) children.push(element("ul", { class: "atm-entries" }, ...entries));
    }
  }
  const isControl = column && column.name === map.control;
  if (!isControl) children.push(...listControls(map));
  place.replaceChildren(...children);
}

function listControls(map) {
  const entries = [];
  Object.entries(CONTROL_MARKERS).forEach(([name, marker]) => {
    const k = map.layers.names.indexOf(name);
    const count = map.layers.codes.reduce((sum, code) => sum + (code === k), 0);
    if (count)
      entries.push(legendButton(marker, "#FFFFFF", name, count, () => map.selectWhere((i) => map.layers.codes[i] === k, name)));
  });
  if (!entries.length) return [];
  return [element("p", { class: "atm-title" }, "Controls"), element("ul", { class: "atm-entries" }, ...entries)];
}
