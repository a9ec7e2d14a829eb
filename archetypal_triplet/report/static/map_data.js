// Columns of a map as the page holds them: unpacked when first read, shown and written without loss.

const ARRAY_TYPES = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array, f8: Float64Array,
};

function unpack({ type, bytes }) {
  const text = atob(bytes);
  const raw = new Uint8Array(text.length);
  for (let i = 0; i < raw.length; i++) raw[i] = text.charCodeAt(i);
  return new ARRAY_TYPES[type](raw.buffer);
}

function countOf(n, noun) {
  return `${n.toLocaleString("en")} ${n === 1 ? noun.replace(/s$/, "") : noun}`;
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

class Column {
  constructor(packed) {
    this.name = packed.name;
    this.label = packed.label;
    this.derived = packed.derived;
    this.levels = packed.levels ?? null;
    this.coloring = packed.coloring;
    this.packed = packed;
  }

  get isText() {
    return this.levels !== null;
  }

  get codes() {
    return (this.unpackedCodes ??= unpack(this.packed.codes));
  }

  get numbers() {
    return (this.unpackedNumbers ??= unpack(this.packed.numbers));
  }

  // in the unit of the color scale
  get scaled() {
    return (this.unpackedScaled ??= this.coloring.numbers ? unpack(this.coloring.numbers) : this.numbers);
  }

  // text of a row as it stands in the table; null where it is missing
  text(i) {
    if (this.isText) return this.levels[this.codes[i]];
    const value = this.numbers[i];
    if (Number.isNaN(value)) return null;
    return String(this.numbers instanceof Float32Array ? Number(value.toPrecision(7)) : value);
  }

  // text of a row for a reader
  show(i) {
    if (this.isText) return this.levels[this.codes[i]] ?? "missing";
    const value = this.numbers[i];
    if (Number.isNaN(value)) return "missing";
    return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));
  }

  compare(i, j) {
    const [a, b] = this.isText ? [this.codes[i], this.codes[j]] : [this.numbers[i], this.numbers[j]];
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return a - b;
  }

  // legend entry of a row, for columns in classes
  classOf(i) {
    return this.coloring.class_of[this.codes[i]];
  }

  rowsOf(level) {
    const rows = [];
    this.codes.forEach((code, i) => {
      if (code === level) rows.push(i);
    });
    return rows;
  }
}

// place of each row on the color scale, 0 to 1; NaN has no color
function placeOnScale(column) {
  const { low, high, log } = column.coloring;
  const values = column.scaled;
  const places = new Float32Array(values.length);
  const move = log ? Math.log : (v) => v;
  const [start, span] = [move(low), move(high) - move(low)];
  for (let i = 0; i < places.length; i++) {
    const v = values[i];
    places[i] = log && !(v > 0) ? NaN : Math.min(1, Math.max(0, (move(v) - start) / span));
  }
  return places;
}
