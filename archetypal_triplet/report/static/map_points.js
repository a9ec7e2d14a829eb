// Where the points lie: which one is under the pointer, which stretch of the plane is seen, and their pictures.

const REACH = 8; // pixels around the pointer

// buckets of about two points each, so that a look-up reads few
class Buckets {
  constructor(x, y) {
    const n = x.length;
    const side = (this.side = Math.max(1, Math.ceil(Math.sqrt(n / 2))));
    this.box = bounds(x, y);
    const cell = new Uint32Array(n);
    const starts = (this.starts = new Uint32Array(side * side + 1));
    for (let i = 0; i < n; i++) {
      cell[i] = this.column(x[i]) + side * this.line(y[i]);
      starts[cell[i] + 1]++;
    }
    for (let k = 0; k < side * side; k++) starts[k + 1] += starts[k];
    const next = starts.slice();
    this.members = new Uint32Array(n);
    for (let i = 0; i < n; i++) this.members[next[cell[i]]++] = i;
  }

  column(v) {
    return place(v, this.box.x0, this.box.x1, this.side);
  }

  line(v) {
    return place(v, this.box.y0, this.box.y1, this.side);
  }

  visit(x0, x1, y0, y1, look) {
    const [a, b] = [this.column(x0), this.column(x1)];
    for (let line = this.line(y0); line <= this.line(y1); line++)
      for (let k = this.starts[a + line * this.side]; k < this.starts[b + 1 + line * this.side]; k++) look(this.members[k]);
  }
}

function place(v, low, high, side) {
  if (!(high > low)) return 0;
  return Math.min(side - 1, Math.max(0, Math.floor(((v - low) / (high - low)) * side)));
}

function bounds(x, y, rows = null) {
  const box = { x0: Infinity, x1: -Infinity, y0: Infinity, y1: -Infinity };
  const look = (i) => {
    if (x[i] < box.x0) box.x0 = x[i];
    if (x[i] > box.x1) box.x1 = x[i];
    if (y[i] < box.y0) box.y0 = y[i];
    if (y[i] > box.y1) box.y1 = y[i];
  };
  if (rows) rows.forEach(look);
  else for (let i = 0; i < x.length; i++) look(i);
  return box.x0 <= box.x1 ? box : { x0: -1, x1: 1, y0: -1, y1: 1 };
}

// the stretch of the plane that is seen: Bokeh's ranges; the drawing has neither border nor axes of its own
class View {
  constructor(plot, surface) {
    this.plot = plot;
    this.xr = plot.x_range;
    this.yr = plot.y_range;
    this.surface = surface;
  }

  get width() {
    return Math.max(1, this.plot.inner_width || this.surface.clientWidth);
  }

  get height() {
    return Math.max(1, this.plot.inner_height || this.surface.clientHeight);
  }

  // units of the plane a pixel; the same along both axes
  get unit() {
    return (this.xr.end - this.xr.start) / this.width;
  }

  toPixel(x, y) {
    return [
      ((x - this.xr.start) / (this.xr.end - this.xr.start)) * this.width,
      ((this.yr.end - y) / (this.yr.end - this.yr.start)) * this.height,
    ];
  }

  toPlane(px, py) {
    return [
      this.xr.start + (px / this.width) * (this.xr.end - this.xr.start),
      this.yr.end - (py / this.height) * (this.yr.end - this.yr.start),
    ];
  }

  look(x, y, unit) {
    const [w, h] = [(unit * this.width) / 2, (unit * this.height) / 2];
    this.xr.setv({ start: x - w, end: x + w });
    this.yr.setv({ start: y - h, end: y + h });
  }

  // units a pixel at which a box with a margin fills the drawing
  unitFor(box) {
    const margin = 28;
    const unit = Math.max(
      (box.x1 - box.x0) / Math.max(1, this.width - 2 * margin),
      (box.y1 - box.y0) / Math.max(1, this.height - 2 * margin),
    );
    return unit || 1 / this.width;
  }

  // never closer than `closest` units a pixel
  fit(box, closest = 0) {
    this.look((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, Math.max(this.unitFor(box), closest));
  }

  zoom(factor) {
    this.look((this.xr.start + this.xr.end) / 2, (this.yr.start + this.yr.end) / 2, this.unit / factor);
  }

  shift(dx, dy) {
    const [x, y] = [(this.xr.start + this.xr.end) / 2, (this.yr.start + this.yr.end) / 2];
    this.look(x + dx * this.unit * this.width, y + dy * this.unit * this.height, this.unit);
  }
}

// pictures lie on sheets, which are unpacked when one of theirs is shown
class Pictures {
  constructor(packed, sheets) {
    this.size = packed.size;
    [this.sheet, this.x, this.y] = [packed.sheet, packed.x, packed.y].map(unpack);
    this.sheets = sheets;
    this.images = new Map();
  }

  has(i) {
    return this.sheet[i] >= 0;
  }

  image(k) {
    if (!this.images.has(k)) {
      const image = new Image();
      const loaded = new Promise((resolve, reject) => {
        image.onload = () => resolve(image);
        image.onerror = reject;
      });
      image.src = this.sheets[k].textContent.trim();
      this.images.set(k, loaded);
    }
    return this.images.get(k);
  }

  draw(i, shown) {
    if (!this.has(i)) return element("span", { class: "atm-none" }, "no image");
    const canvas = element("canvas", {
      class: "atm-picture", width: this.size, height: this.size, role: "img", "aria-label": "Image of this row",
      style: `width: ${shown}px; height: ${shown}px`,
    });
    canvas.dataset.state = "waits";
    this.image(this.sheet[i]).then((image) => {
      canvas.getContext("2d").drawImage(image, this.x[i], this.y[i], this.size, this.size, 0, 0, this.size, this.size);
      canvas.dataset.state = "drawn";
    });
    return canvas;
  }
}
