// The map: Bokeh draws points and tools, everything around them is plain HTML of ours.

const NO_COLOR = "#BDBDBD";
const MANY_RINGS = 400; // beyond, rings hide what they mark
const CLICK_REACH = 4; // pixels that a hand may shake

function nextFrame() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

// Bokeh's canvas takes the focus for itself; the map around it has the keys and one tab stop
function leaveFocusToUs(place) {
  for (const child of place.children) {
    if (child.classList.contains("bk-events") || child.classList.contains("bk-Figure")) {
      child.tabIndex = -1;
      child.style.outline = "none";
    }
    if (child.shadowRoot) leaveFocusToUs(child.shadowRoot);
    leaveFocusToUs(child);
  }
}

// WebGL without a graphics card is slower than plain drawing: 2 s against .4 s for 100,000 points
function hasFastGraphics() {
  const gl = document.createElement("canvas").getContext("webgl", { failIfMajorPerformanceCaveat: true });
  if (!gl) return false;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few of them
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

class PhenotypeMap {
  constructor(root) {
    this.root = root;
    const packed = JSON.parse(this.part("data").textContent);
    Object.assign(this, { name: packed.name, noun: packed.noun, n: packed.n, palette: packed.palette, style: packed.style });
    this.rows = unpack(packed.rows);
    this.placeOf = new Uint32Array(this.n);
    this.rows.forEach((row, i) => (this.placeOf[row] = i));
    this.planes = packed.planes.map((plane) => ({ ...plane, x: unpack(plane.x), y: unpack(plane.y) }));
    this.columns = packed.columns.map((column) => new Column(column));
    this.layers = { names: packed.layers.names, codes: unpack(packed.layers.codes) };
    this.roles = packed.roles;
    const sheets = [...root.querySelectorAll('[data-atm="sheet"]')];
    this.pictures = packed.thumbnails ? new Pictures(packed.thumbnails, sheets) : null;
    this.figure = packed.figure;
    this.colorName = packed.color;
    this.plane = this.planes[0];
    this.selected = [];
    this.isSelected = new Uint8Array(this.n);
    this.found = [];
    this.hovered = -1;
    this.noColor = NO_COLOR;
    this.ready = this.start().catch((error) => this.fail(error));
  }

  part(name) {
    return this.root.querySelector(`[data-atm="${name}"]`);
  }

  column(name) {
    return this.columns.find((column) => column.name === name) ?? null;
  }

  role(role) {
    return this.roles[role] ? this.column(this.roles[role]) : null;
  }

  // for screen readers; what went wrong is seen as well
  say(text, isSeen = false) {
    const status = this.part("status");
    status.textContent = text;
    status.classList.toggle("atm-seen", isSeen);
  }

  async start() {
    await nextFrame(); // the page shows itself first
    if (!hasFastGraphics()) this.figure.doc.roots[0].attributes.output_backend = "canvas";
    const views = await Bokeh.embed.embed_item(this.figure, this.part("surface").id);
    const plot = (this.plot = [...views.roots][0].model);
    this.document = plot.document;
    const get = (name) => this.document.get_model_by_name(name);
    this.models = { points: get("points"), colors: get("colors"), found: get("found") };
    this.filters = this.layers.names.map((name) => get(`view-${name}`));
    this.renderers = this.layers.names.map((name) => get(`layer-${name}`));
    this.tools = Object.fromEntries(["pan", "zoom", "box", "lasso", "wheel"].map((name) => [name, get(`tool-${name}`)]));
    this.view = new View(plot, this.part("surface"));
    this.table = new SelectionTable(this, this.part("selection"));
    leaveFocusToUs(this.part("surface"));
    await nextFrame(); // laid out first: WebGL keeps the pixels of points that it got before
    this.showPlane();
    this.c = new Float32Array(this.n);
    this.fill(); // rows before the filters that speak of them
    this.fillFilters();
    this.paint();
    this.models.points.selected.properties.indices.change.connect(() => this.onSelected());
    this.attach();
    this.part("wait").remove();
    await nextFrame();
    performance.mark(`archetypal-map-ready:${this.name}`);
    this.root.dataset.map = "ready";
    return this;
  }

  fail(error) {
    const text = `The map could not be drawn (${error.message}). The tables and figures of the report hold the same data.`;
    (this.part("wait") ?? this.part("status")).textContent = text;
    this.root.dataset.map = "failed";
    throw error;
  }

  // ---- what is drawn

  fillFilters() {
    this.layers.names.forEach((name, k) => {
      if (name === "other" || name === "sample") return;
      const rows = [];
      this.layers.codes.forEach((code, i) => {
        if (code === k) rows.push(i);
      });
      this.filters[k].indices = rows;
    });
  }

  // colors of all points; what says nothing goes to the lowest layer
  paint() {
    const column = this.colorName ? this.column(this.colorName) : null;
    const [other, sample] = ["other", "sample"].map((name) => this.layers.names.indexOf(name));
    this.c = new Float32Array(this.n);
    this.colors = [NO_COLOR];
    let isNeutral = (i) => !column || Number.isNaN(this.c[i]);
    if (column?.coloring.classes) {
      const { classes } = column.coloring;
      for (let i = 0; i < this.n; i++) this.c[i] = column.classOf(i);
      this.colors = classes.map((entry) => entry.color);
      isNeutral = (i) => classes[this.c[i]].neutral;
      this.models.colors.setv({ palette: this.colors, low: -0.5, high: classes.length - 0.5 });
    } else if (column) {
      this.c = placeOnScale(column);
      this.colors = this.palette;
      this.models.colors.setv({ palette: this.palette, low: 0, high: 1 });
    }
    const [below, above] = [[], []];
    for (let i = 0; i < this.n; i++) if (this.layers.codes[i] === sample) (isNeutral(i) ? below : above).push(i);
    this.filters[other].indices = below;
    this.filters[sample].indices = above;
    this.fill();
    drawLegend(this.part("legend"), {
      column, control: this.roles.control, layers: this.layers, palette: this.palette, noColor: NO_COLOR,
      selectWhere: (test, label) => this.selectWhere(test, label),
    });
  }

  fill() {
    this.models.points.data = { x: this.plane.x, y: this.plane.y, c: this.c };
  }

  showPlane() {
    const { x, y, axes } = this.plane;
    this.buckets = new Buckets(x, y);
    this.part("x-axis").textContent = axes[0];
    this.part("y-axis").textContent = axes[1];
    this.part("plot").setAttribute("aria-label", `Map of ${countOf(this.n, this.noun)}, ${axes[0]} and ${axes[1]}`);
    this.fitAll();
    this.drawMarks();
  }

  fitAll() {
    this.view.fit(this.buckets.box);
    this.home = this.view.unit;
  }

  drawMarks() {
    const { x, y } = this.plane;
    this.models.found.data = { x: this.found.map((i) => x[i]), y: this.found.map((i) => y[i]) };
  }

  // an element, not a glyph: Bokeh would draw all points again
  ring(i) {
    this.hovered = i;
    const ring = this.part("ring");
    ring.hidden = i < 0;
    if (i < 0) return;
    const [px, py] = this.view.toPixel(this.plane.x[i], this.plane.y[i]);
    ring.style.transform = `translate(${px.toFixed(1)}px, ${py.toFixed(1)}px)`;
  }

  setSize(factor) {
    const controls = new Set(Object.keys(CONTROL_MARKERS));
    this.renderers.forEach((renderer, k) => {
      const size = { value: this.style.size * factor * (controls.has(this.layers.names[k]) ? 1.3 : 1) };
      for (const glyph of ["glyph", "selection_glyph", "nonselection_glyph"])
        if (renderer[glyph]?.properties?.size) renderer[glyph].size = size;
    });
  }

  setProjection(name) {
    const plane = this.planes.find((candidate) => candidate.name === name);
    if (!plane) throw new Error(`No plane is called ${name}.`);
    this.plane = plane;
    this.part("plane").value = name;
    this.hideCard();
    this.fill();
    this.showPlane();
    this.say(`Plane: ${name}.`);
  }

  setColor(name) {
    const column = this.column(name);
    if (!column?.coloring) throw new Error(`No color is called ${name}.`);
    this.colorName = name;
    this.part("color").value = name;
    this.paint();
    this.say(`Colored by ${column.label}.`);
  }

  // ---- selection and search

  select(points) {
    this.models.points.selected.indices = [...points];
  }

  onSelected() {
    this.selected = [...this.models.points.selected.indices];
    this.isSelected.fill(0);
    for (const i of this.selected) this.isSelected[i] = 1;
    this.table.show([...this.selected]);
    this.say(this.selected.length ? `${countOf(this.selected.length, this.noun)} selected.` : "Nothing is selected.");
  }

  selectWhere(test, label) {
    const points = [];
    for (let i = 0; i < this.n; i++) if (test(i)) points.push(i);
    this.found = [];
    this.drawMarks();
    this.select(points);
    this.say(`${label}: ${countOf(points.length, this.noun)} selected.`);
  }

  clear() {
    this.found = [];
    this.drawMarks();
    this.select([]);
    this.part("find").value = "";
  }

  jump(points, label) {
    this.found = points.length <= MANY_RINGS ? points : [];
    this.drawMarks();
    this.select(points);
    this.view.fit(bounds(this.plane.x, this.plane.y, points), this.home / 4);
    this.say(`${label}: ${countOf(points.length, this.noun)}, selected and in view.`);
  }

  // ---- the pointer

  pointAt(px, py) {
    const reach = REACH * this.view.unit;
    const [x, y] = this.view.toPlane(px, py);
    const limit = reach * reach;
    let [best, nearest] = [-1, Infinity];
    this.buckets.visit(x - reach, x + reach, y - reach, y + reach, (i) => {
      const distance = (this.plane.x[i] - x) ** 2 + (this.plane.y[i] - y) ** 2;
      if (distance > limit) return;
      const rank = this.isSelected[i] ? distance : distance + limit; // the selected lie on top
      if (rank < nearest) [best, nearest] = [i, rank];
    });
    return best;
  }

  onMove(event) {
    const box = this.part("surface").getBoundingClientRect();
    const i = event.buttons ? -1 : this.pointAt(event.clientX - box.left, event.clientY - box.top);
    if (i === this.hovered) return;
    this.ring(i);
    if (i < 0) this.hideCard();
    else this.showCard(i);
  }

  hideCard() {
    this.part("card").hidden = true;
    if (this.hovered >= 0) this.ring(-1);
  }

  showCard(i) {
    const card = this.part("card");
    card.replaceChildren(...describeRow(this, i));
    card.hidden = false;
    const [px, py] = this.view.toPixel(this.plane.x[i], this.plane.y[i]);
    const [w, h] = [card.offsetWidth, card.offsetHeight];
    const left = px + 18 + w > this.view.width && px - 18 - w > 0 ? px - 18 - w : px + 18;
    const top = Math.min(Math.max(4, py - h / 2), Math.max(4, this.view.height - h - 4));
    card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  // ---- controls

  attach() {
    const plot = this.part("plot");
    this.part("plane").addEventListener("change", (event) => this.setProjection(event.target.value));
    if (this.colorName) this.part("color").value = this.colorName;
    this.part("color").addEventListener("change", (event) => event.target.value && this.setColor(event.target.value));
    this.part("size").addEventListener("input", (event) => this.setSize(Number(event.target.value)));
    this.part("zoom-in").addEventListener("click", () => this.view.zoom(1.5));
    this.part("zoom-out").addEventListener("click", () => this.view.zoom(1 / 1.5));
    this.part("reset").addEventListener("click", () => this.fitAll());
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.addEventListener("click", () => this.activate(button.dataset.tool));
    attachSearch(this, this.part("find"), this.part("suggestions"));
    this.attachPointer(plot);
    plot.addEventListener("keydown", (event) => this.onKey(event));
    this.plot.x_range.properties.start.change.connect(() => this.hideCard());
    new ResizeObserver(() => this.onResize()).observe(this.part("surface"));
    this.size = [this.view.width, this.view.height];
  }

  attachPointer(plot) {
    let pressed = null;
    let isDrag = false; // a lasso may end where it began
    let waiting = null;
    plot.addEventListener("pointermove", (event) => {
      if (pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > CLICK_REACH) isDrag = true;
      if (!waiting) requestAnimationFrame(() => {
        const last = waiting;
        waiting = null;
        if (last && !this.isAway) this.onMove(last);
      });
      this.isAway = false;
      waiting = event;
    });
    plot.addEventListener("pointerleave", () => {
      this.isAway = true;
      this.tools.wheel.active = false; // the wheel belongs to the page again
      this.hideCard();
    });
    plot.addEventListener("pointerdown", (event) => {
      pressed = [event.clientX, event.clientY];
      isDrag = false;
      this.tools.wheel.active = true;
    });
    plot.addEventListener("click", (event) => {
      pressed = null;
      if (isDrag || this.isAway) return;
      const box = this.part("surface").getBoundingClientRect();
      const i = this.pointAt(event.clientX - box.left, event.clientY - box.top);
      if (i >= 0) this.select(event.shiftKey ? new Set([...this.selected, i]) : [i]);
    });
  }

  activate(name) {
    for (const [key, tool] of Object.entries(this.tools)) if (key !== "wheel" && key !== name) tool.active = false;
    this.tools[name].active = true;
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowLeft: () => this.view.shift(-0.1, 0),
      ArrowRight: () => this.view.shift(0.1, 0),
      ArrowUp: () => this.view.shift(0, 0.1),
      ArrowDown: () => this.view.shift(0, -0.1),
      "+": () => this.view.zoom(1.3),
      "=": () => this.view.zoom(1.3),
      "-": () => this.view.zoom(1 / 1.3),
      0: () => this.fitAll(),
      Escape: () => this.clear(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  // the middle stays, and the magnification against the whole map, so that a window that is smaller for a while
  // (a dialog, a printer) leaves no trace
  onResize() {
    const [width, height] = this.size;
    const next = [this.view.width, this.view.height];
    if (width === next[0] && height === next[1]) return;
    const magnification = (this.home * width) / (this.view.xr.end - this.view.xr.start);
    const [x, y] = [(this.view.xr.start + this.view.xr.end) / 2, (this.view.yr.start + this.view.yr.end) / 2];
    this.size = next;
    this.home = this.view.unitFor(this.buckets.box);
    this.view.look(x, y, this.home / magnification);
  }
}

const allMaps = [];

function startMaps() {
  window.archetypalMaps ??= {};
  for (const root of document.querySelectorAll('.atm[data-map="new"]')) {
    root.dataset.map = "starts";
    allMaps.push(new PhenotypeMap(root));
    const hook = makeHook(allMaps.at(-1));
    window.archetypalMaps[hook.name] = hook;
    window.archetypalMap ??= hook;
  }
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startMaps);
else startMaps();
