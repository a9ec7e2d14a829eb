// The card beside the pointer: the picture of a row and what is known of it, as text.

function describeRow(map, i) {
  const show = (role) => map.role(role)?.show(i) ?? null;
  const dose = map.role("dose")?.numbers[i] > 0 ? [show("dose"), doseUnit(map, i)].filter(Boolean).join(" ") : "";
  const where = [show("plate"), show("well"), show("site") === null ? null : `site ${show("site")}`].filter(Boolean).join(" · ");
  const lines = [];
  const control = show("control");
  if (control && control !== "sample") lines.push(["Control", control]);
  const column = map.colorName ? map.column(map.colorName) : null;
  const said = new Set(Object.values(map.roles));
  if (column && !said.has(column.name)) lines.push([column.label, column.show(i)]);
  for (const [label, share] of largestShares(map, i)) if (label !== column?.label) lines.push([label, share]);
  const terms = lines.flatMap(([term, value]) => [element("dt", {}, term), element("dd", { dir: "auto" }, value)]);
  const head = show("compound") ?? show("well") ?? `Row ${map.rows[i] + 1}`;
  return [
    map.pictures?.has(i) ? map.pictures.draw(i, Math.max(128, map.pictures.size)) : null,
    element("p", { class: "atm-what", dir: "auto" }, dose ? `${head}, ${dose}` : head),
    where ? element("p", { class: "atm-where", dir: "auto" }, where) : null,
    lines.length ? element("dl", {}, ...terms) : null,
  ].filter(Boolean);
}

function doseUnit(map, i) {
  if (map.role("unit")) return map.role("unit").show(i);
  return /_([pnuµm]?M)$/.exec(map.roles.dose)?.[1].replace("u", "µ") ?? "";
}

function largestShares(map, i) {
  const shares = (map.shares ??= map.columns.filter((column) => column.name.startsWith("Archetype_") && !column.isText));
  return shares
    .map((column) => [column.label, column.numbers[i]])
    .filter(([, share]) => share > 0.05)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([label, share]) => [label, `${Math.round(100 * share)} %`]);
}
