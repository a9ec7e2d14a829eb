// The search: a combobox over the compounds and wells of the map.

const MAX_SUGGESTIONS = 12;

function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

// "a1" is how people write A01
function padWell(text) {
  const match = /^([a-z]{1,2})0*(\d{1,2})$/.exec(text);
  return match ? match[1] + match[2].padStart(2, "0") : text;
}

function listTargets(map) {
  const targets = [];
  for (const [role, kind] of [["compound", "compound"], ["well", "well"]]) {
    const column = map.role(role);
    if (!column || !column.isText) continue;
    const counts = new Uint32Array(column.levels.length);
    for (const code of column.codes) counts[code]++;
    column.levels.forEach((level, k) => {
      if (level !== null && counts[k]) targets.push({ kind, text: level, key: fold(level), count: counts[k], find: () => column.rowsOf(k) });
    });
  }
  return targets;
}

// a well that is on several plates: one suggestion more for each plate
function listPlates(map, target) {
  const [plate, well] = [map.role("plate"), map.role("well")];
  if (!plate || !plate.isText || plate.levels.length < 2) return [];
  const byPlate = new Map();
  for (const i of target.find()) {
    const code = plate.codes[i];
    if (!byPlate.has(code)) byPlate.set(code, []);
    byPlate.get(code).push(i);
  }
  if (byPlate.size < 2) return [];
  const inOrder = [...byPlate].sort((a, b) => a[0] - b[0]);
  return inOrder.map(([code, rows]) => ({
    kind: "well", text: `${target.text} on ${plate.levels[code] ?? "missing"}`, count: rows.length, find: () => rows,
  }));
}

function findTargets(map, query) {
  const targets = (map.targets ??= listTargets(map));
  const key = fold(query.trim());
  if (!key) return [];
  const well = padWell(key);
  const rank = (t) => {
    if (t.key === key || (t.kind === "well" && t.key === well)) return 0;
    if (t.key.startsWith(key)) return 1;
    return t.key.includes(key) ? 2 : 3;
  };
  const found = [];
  for (const target of targets) {
    const r = rank(target);
    if (r < 3) found.push([r, target]);
  }
  found.sort((a, b) => a[0] - b[0]);
  const suggestions = found.slice(0, MAX_SUGGESTIONS).map(([, target]) => target);
  const exact = found.find(([r, target]) => r === 0 && target.kind === "well");
  if (exact) suggestions.splice(suggestions.indexOf(exact[1]) + 1, 0, ...listPlates(map, exact[1]));
  return suggestions.slice(0, MAX_SUGGESTIONS);
}

function attachSearch(map, input, list) {
  let shown = [];
  let active = -1;

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (k) => {
    active = k;
    [...list.children].forEach((option, j) => option.setAttribute("aria-selected", String(j === k)));
    if (k >= 0 && shown.length) {
      input.setAttribute("aria-activedescendant", list.children[k].id);
      list.children[k].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  const take = (target) => {
    input.value = target.text;
    close();
    map.jump(target.find(), target.text);
  };
  const open = () => {
    shown = findTargets(map, input.value);
    const options = shown.map((target, k) =>
      element(
        "li",
        {
          role: "option", id: `${list.id}-${k}`, "aria-selected": "false",
          // not click: the input would lose the focus before
          onpointerdown: (event) => {
            event.preventDefault();
            take(target);
          },
        },
        element("span", { class: "atm-label", dir: "auto" }, target.text),
        element("span", { class: "atm-count" }, `${target.kind}, ${target.count.toLocaleString("en")}`),
      ),
    );
    if (!options.length && input.value.trim()) options.push(element("li", { class: "atm-none" }, "No such compound or well"));
    list.replaceChildren(...options);
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(-1);
  };

  input.addEventListener("input", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      if (shown.length) mark((active + (event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1) + shown.length) % shown.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (list.hidden) open();
      if (shown.length) take(shown[Math.max(0, active)]);
      else if (input.value.trim()) map.say(`Nothing is called “${input.value.trim()}”.`, true);
    } else if (event.key === "Escape") {
      if (list.hidden) input.value = "";
      close();
    }
  });
}
