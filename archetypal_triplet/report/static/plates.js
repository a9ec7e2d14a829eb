"use strict";
(function () {
  const home = document.getElementById("plate-viewer");
  if (!home) return;
  const data = JSON.parse(document.getElementById("plate-data").textContent);
  const find = (name) => document.getElementById(`plate-${name}`);
  const choice = find("column"), sheet = find("sheet"), legend = find("legend"), said = find("well");
  const [nRows, nColumns] = data.shape;
  const perPage = nRows * nColumns > 384 ? 2 : 6;
  const room = data.plates.length === 1 || nRows * nColumns > 384 ? 520 : 340;
  const side = Math.max(6, Math.min(44, Math.floor(room / nColumns)));
  const margin = 20;
  let page = 0;

  const wellsOf = data.plates.map(() => []);
  data.plate.forEach((plate, i) => wellsOf[plate].push(i));
  data.columns.forEach((column, i) => choice.add(new Option(column.label, String(i))));

  const rowName = (row) => (row < 26 ? "" : "A") + String.fromCharCode(65 + (row % 26));
  const colorOf = (column, value) => {
    if (value === null) return null;
    if (column.classes) return value < column.colors.length ? column.colors[value] : data.other;
    let part = column.log
      ? (Math.log(value) - Math.log(column.low)) / (Math.log(column.high) - Math.log(column.low))
      : (value - column.low) / (column.high - column.low);
    if (column.log && !(value > 0)) return data.other;
    part = Math.min(Math.max(part, 0), 1);
    const colors = data.scales[column.scale];
    return colors[Math.round(part * (colors.length - 1))];
  };
  const textOf = (column, value) => {
    if (value === null) return "no value";
    return column.classes ? column.classes[value] : String(value);
  };

  const mark = (pen, kind, x, y) => {
    pen.lineWidth = 2.5; pen.strokeStyle = "#fff"; pen.strokeRect(x + 1.5, y + 1.5, side - 3, side - 3);
    pen.lineWidth = 1.2; pen.strokeStyle = "#000"; pen.strokeRect(x + 1.5, y + 1.5, side - 3, side - 3);
    const half = Math.max(1.5, side * 0.16), cx = x + side / 2, cy = y + side / 2;
    const corners = { negative: [[-1, -1], [1, -1], [1, 1], [-1, 1]], positive: [[0, -1.1], [1.1, 1], [-1.1, 1]],
      untreated: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]] }[kind];
    pen.beginPath();
    corners.forEach(([dx, dy], i) => pen[i ? "lineTo" : "moveTo"](cx + dx * half, cy + dy * half));
    pen.closePath();
    pen.fillStyle = "#fff"; pen.fill(); pen.lineWidth = 0.8; pen.stroke();
  };

  const draw = (column, plate) => {
    const box = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const ratio = window.devicePixelRatio || 1;
    const width = margin + nColumns * side + 2, height = margin + nRows * side + 2;
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${column.label} on plate ${data.plates[plate]}; its figures and tables hold the numbers.`);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "10px sans-serif"; pen.fillStyle = "#54606e"; pen.textAlign = "center"; pen.textBaseline = "middle";
    const step = side < 14 ? 2 : 1;
    for (let c = 0; c < nColumns; c += step) pen.fillText(String(c + 1), margin + (c + 0.5) * side, margin / 2);
    for (let r = 0; r < nRows; r += step) pen.fillText(rowName(r), margin / 2, margin + (r + 0.5) * side);
    pen.strokeStyle = "#d9dee5";
    for (let r = 0; r < nRows; r++) for (let c = 0; c < nColumns; c++) {
      pen.beginPath();
      pen.moveTo(margin + c * side, margin + (r + 1) * side);
      pen.lineTo(margin + (c + 1) * side, margin + r * side);
      pen.stroke();
    }
    const at = new Map();
    for (const i of wellsOf[plate]) {
      const x = margin + data.column[i] * side, y = margin + data.row[i] * side;
      const color = colorOf(column, column.values[i]);
      pen.fillStyle = color === null ? "#eee" : color;
      pen.fillRect(x + 0.5, y + 0.5, side - 1, side - 1);
      if (color === null) { pen.fillStyle = "#000"; pen.fillText("×", x + side / 2, y + side / 2); }
      const kind = data.kinds[data.kind[i]];
      if (kind) mark(pen, kind, x, y);
      at.set(data.row[i] * nColumns + data.column[i], i);
    }
    canvas.addEventListener("mousemove", (event) => {
      const c = Math.floor((event.offsetX - margin) / side), r = Math.floor((event.offsetY - margin) / side);
      const i = at.get(r * nColumns + c);
      if (i === undefined || c < 0 || c >= nColumns) return;
      const kind = data.kinds[data.kind[i]];
      said.textContent = `${data.plates[plate]} ${data.well[i]}${kind ? `, ${kind} control` : ""}: ${column.label} ${textOf(column, column.values[i])}`;
    });
    const name = document.createElement("figcaption");
    const bidi = document.createElement("bdi");
    bidi.textContent = data.plates[plate];
    name.append(bidi);
    box.append(name, canvas);
    return box;
  };

  const swatch = (color, text) => {
    const item = document.createElement("span"), square = document.createElement("i"), label = document.createElement("bdi");
    square.style.background = color;
    label.textContent = text;
    item.append(square, label);
    return item;
  };

  const show = () => {
    const column = data.columns[Number(choice.value)];
    const last = Math.ceil(data.plates.length / perPage) - 1;
    page = Math.min(Math.max(page, 0), last);
    const from = page * perPage, to = Math.min(from + perPage, data.plates.length);
    sheet.replaceChildren(...data.plates.slice(from, to).map((_, i) => draw(column, from + i)));
    find("page").textContent = data.plates.length === 1 ? "" : `plates ${from + 1} to ${to} of ${data.plates.length}`;
    for (const name of ["back", "on"]) find(name).hidden = last === 0;
    find("back").disabled = page === 0;
    find("on").disabled = page === last;
    if (column.classes) {
      const shown = column.classes.slice(0, column.colors.length).map((text, i) => swatch(column.colors[i], text));
      const n = column.classes.length - column.colors.length;
      if (n > 0) shown.push(swatch(data.other, `${n} others`));
      legend.replaceChildren(...shown);
    } else {
      const bar = document.createElement("i");
      bar.className = "scale";
      bar.style.background = `linear-gradient(to right, ${data.scales[column.scale].join(",")})`;
      const text = (value) => document.createTextNode(` ${String(Number(value.toPrecision(3))).replace("-", "\u2212")} `);
      legend.replaceChildren(text(column.low), bar, text(column.high), document.createTextNode(column.log ? "(logarithmic)" : ""));
    }
  };
  choice.addEventListener("change", show);
  find("back").addEventListener("click", () => { page -= 1; show(); });
  find("on").addEventListener("click", () => { page += 1; show(); });
  show();
})();
