// For tests and for the curious: window.archetypalMaps[name], and window.archetypalMap for the first map of the page.
// Rows are counted as in the table that the map was built from.
//   ready               promise, kept when the points are drawn
//   n, projection, color, selection (rows, ascending), hovered (row or null), range ([x0, x1, y0, y1])
//   pixel(row)          place of a row in the window, {x, y}, CSS pixels
//   colorOf(row)        color of a row, "#rrggbb"
//   setProjection(name), setColor(column), select(rows), clear(), csv(), card() ({text, canvas} or null)

function makeHook(map) {
  return {
    name: map.name,
    n: map.n,
    ready: map.ready.then(() => true),
    get projection() { return map.plane.name; },
    get color() { return map.colorName; },
    get selection() { return map.selected.map((i) => map.rows[i]).sort((a, b) => a - b); },
    get hovered() { return map.hovered < 0 ? null : map.rows[map.hovered]; },
    get range() { return [map.view.xr.start, map.view.xr.end, map.view.yr.start, map.view.yr.end]; },
    pixel(row) {
      const box = map.part("surface").getBoundingClientRect();
      const i = map.placeOf[row];
      const [x, y] = map.view.toPixel(map.plane.x[i], map.plane.y[i]);
      return { x: box.left + x, y: box.top + y };
    },
    colorOf(row) {
      const c = map.c[map.placeOf[row]];
      if (Number.isNaN(c)) return NO_COLOR;
      return map.colors[map.colors === map.palette ? Math.min(255, Math.floor(c * 256)) : c];
    },
    setProjection: (name) => map.setProjection(name),
    setColor: (name) => map.setColor(name),
    select: (rows) => map.select(rows.map((row) => map.placeOf[row])),
    clear: () => map.clear(),
    csv: () => writeCsv(map, map.table.rows),
    card() {
      const card = map.part("card");
      return card.hidden ? null : { text: card.innerText, canvas: card.querySelector("canvas") };
    },
  };
}
