const data = JSON.parse(document.getElementById("data").textContent);
const { nodes, boxes, arrays, outputs, steps } = data;
const leftToRight = data.direction === "LR";
const $ = (id) => document.getElementById(id);
const consumers = nodes.map(() => []);
nodes.forEach((node, n) => new Set(node.inputs).forEach((x) => consumers[x].push(n)));

/** The gradient of each node: its own, or else, of what is not kept, what the steps tell. */
const gradients = nodes.map((node) => arrays[node.grad]);
for (const { node, arriving } of steps) gradients[node] ??= arrays[arriving];
const reached = nodes.map(() => []);
for (const { leaving } of steps) for (const [to, array] of leaving) reached[to].push(array);
reached.forEach(([array, ...more], n) => more.length || (gradients[n] ??= arrays[array]));

/** What arrives at the ends of the graph before the first step. */
const arriving = new Map(steps.map((it) => [it.node, arrays[it.arriving]]));
const seeds = outputs.filter((n) => !consumers[n].length && arriving.has(n)).map((n) => [n, { array: arriving.get(n), values: arriving.get(n).values, parts: 0 }]);

/** Whether each node is of the gradients' own graph, as constants are that are only used there. */
const backward = nodes.map(({ kind }) => kind === "gradient");
nodes.forEach(({ kind }, n) => (backward[n] ||= kind === "constant" && consumers[n].length > 0 && consumers[n].every((to) => backward[to])));
const hasBackward = backward.includes(true);

// ------------------------------------------------------------------------------------------ words

/** Write a number with four digits; NaN, infinities and complex numbers come as text. */
function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6)) return String(Number(value.toPrecision(4)));
  return String(Number(value.toPrecision(4)).toExponential()).replace("e+", "e");
}

const isNumber = (array) => array.values !== null && array.shape.every((length) => length === 1);
const single = (array) => [array.values].flat(Infinity)[0];
const shape = (array) => `(${array.shape.join(", ")}${array.shape.length === 1 ? "," : ""})`;
const count = (size) => size.toLocaleString("en");
const plain = (text) => text.replace(/[\s\p{Cc}]+/gu, " ").replace(/\p{Cs}/gu, "\ufffd").trim();

function shortened(text, limit) {
  const letters = Array.from(plain(text));
  return letters.length <= limit ? letters.join("") : letters.slice(0, limit - 1).join("") + "…";
}

/** Break a message into lines, of which there are not more than `most`. */
function wrapped(text, width, most) {
  const lines = [];
  for (const word of plain(text).split(" ").filter(Boolean)) {
    if (lines.length && lines.at(-1).length + word.length < width) lines.push(`${lines.pop()} ${word}`);
    else lines.push(word);
  }
  const shown = lines.slice(0, most).map((line) => shortened(line, width));
  return lines.length > most ? [...shown.slice(0, -1), `${shortened(shown.at(-1), width - 2)} …`] : shown;
}

/** An array in a few characters: its numbers, the range of integers, the root mean square of floats. */
function size(array) {
  const { dtype, values, min, max, rms } = array, isInteger = /^u?int/.test(dtype);
  const word = (value) => (dtype === "bool" ? (value ? "True" : "False") : isInteger ? String(value) : number(value));
  if (isNumber(array)) return word(single(array));
  if (array.shape.length === 1 && array.shape[0] && array.shape[0] <= 3) return `[${values.map(word).join(", ")}]`;
  if (rms === null) return array.bad ? "not finite" : "";
  return dtype === "bool" ? "" : isInteger ? `${min} to ${max}` : `rms ${number(rms)}${array.bad ? `, ${count(array.bad)} not finite` : ""}`;
}

function bytes(amount) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; amount >= 999.5 && unit < 4; unit++) amount /= 1000;
  return `${Number(amount.toPrecision(3))} ${units[unit]}`;
}

const name = (n) => plain(nodes[n].title) || "unnamed";
const boxName = (b) => plain(boxes[b].label) || "unnamed";

const canvas = document.createElement("canvas").getContext("2d");
const widths = new Map(), family = getComputedStyle(document.body).fontFamily;
function textWidth(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    canvas.font = `${font} ${family}`;
    widths.set(key, canvas.measureText(text).width);
  }
  return widths.get(key);
}
const TITLE = "600 13px", SMALL = "400 11px";

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "class") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function svg(tag, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

// ----------------------------------------------------------------------- what is visible, and edges

const folded = boxes.map((box) => box.folded);
const contents = boxes.map(() => []); // the nodes in a box, at any depth
nodes.forEach((node, n) => {
  for (let b = node.box; b !== null; b = boxes[b].parent) contents[b].push(n);
});

/** Unfolded, repeated modules have no frame beside their gradients, of which other ones may be repeated. */
const dissolves = (b) => boxes[b].kind === "repeat" && !folded[b] && hasBackward && contents[b].every((n) => nodes[n].box !== b);

/** Return what is to be seen: items (nodes, folded boxes, open boxes with children) and merged edges. */
function visibleGraph() {
  const items = [];
  const root = { key: "root", children: [], nets: new Map(), parent: null, depth: 0 };
  const add = (key, parent, more) => {
    const item = { key, id: items.length, parent, depth: parent.depth + 1, nets: new Map(), children: [], ...more };
    parent.children.push(item);
    items.push(item);
    return item;
  };
  const boxItems = [];
  boxes.forEach((box, b) => {
    const parent = box.parent === null ? root : boxItems[box.parent];
    if (parent.folded || dissolves(b)) boxItems[b] = parent; // which stands for all that is in it, or around it
    else if (contents[b].length) {
      const shown = { folded: folded[b], open: !folded[b], backward: contents[b].every((n) => backward[n]) };
      const item = boxItems[b] = add(`b${b}`, parent, { box: b, node: null, order: contents[b][0], ...shown });
      const of = boxItems[box.of], beside = of?.open && (parent === of.parent || parent === of.parent.mirror);
      if (beside && item.open && item.backward && !contents[box.of].some((n) => backward[n])) {
        of.mirror = item;
        item.mirrored = true;
      }
    }
  });
  const stands = nodes.map((node, n) => {
    const parent = node.box === null ? root : boxItems[node.box];
    return parent.folded ? parent : add(`n${n}`, parent, { box: null, node: n, order: n, folded: false, open: false, backward: backward[n] });
  });
  return { root, items, stands, edges: mergedEdges(stands, items.length) };
}

function mergedEdges(stands, total) {
  const edges = new Map();
  nodes.forEach((node, n) => node.inputs.forEach((x, place) => {
    const [source, target] = [stands[x], stands[n]];
    if (source === target) return;
    const key = source.id * total + target.id;
    if (!edges.has(key)) {
      edges.set(key, { source, target, pairs: [], tracked: false, slot: place / Math.max(node.inputs.length - 1, 1) - 0.5 });
    }
    const edge = edges.get(key);
    edge.pairs.push([x, n]);
    edge.tracked ||= node.tracked && nodes[x].tracked;
  }));
  return [...edges.values()];
}

// ------------------------------------------------------------------------------------ what is drawn

function frameTitle({ box }) {
  const { parameters } = boxes[box];
  return `▾ ${shortened(boxName(box), 60)}${parameters ? ` · ${count(parameters)} parameters` : ""}`;
}

const measureTitle = (item) => (item.titleWidth = textWidth(frameTitle(item), "600 11px"));

/** Say how many ops are in a box, if its name does not say so. */
function opsIn(b) {
  const ops = contents[b].filter((n) => nodes[n].op !== null).length;
  return ops && boxes[b].kind !== "earlier" ? [`${count(ops)} op${ops === 1 ? "" : "s"}`] : [];
}

/** Say what is in a box: its ops and parameters. */
function wordsOn(b) {
  const { parameters } = boxes[b];
  return [...opsIn(b), ...(parameters ? [`${count(parameters)} parameters`] : [])];
}

const kindOf = (b) => (boxes[b].kind === "module" ? "module" : "box");

/** Set the texts of an item, and its size from them. */
function dress(item) {
  if (item.node === null) {
    item.title = `▸ ${shortened(boxName(item.box), 60)}`;
    item.small = wordsOn(item.box);
    item.cells = [];
  } else {
    const { title, lines, value, error } = nodes[item.node], grad = gradients[item.node];
    item.title = shortened(title, 36) || "unnamed";
    item.small = [...lines.map((line) => shortened(line, 44)), ...wrapped(error ?? "", 44, 6)];
    const array = arrays[value];
    if (array && !(isNumber(array) && array.dtype === "float64")) item.small.push(`${array.shape.length ? shape(array) : ""} ${array.dtype}`);
    item.cells = [];
    if (array && size(array)) item.cells.push(size(array));
    if (grad) item.cells.push(`grad ${size(grad) || "–"}`);
  }
  const cells = item.cells.map((cell) => textWidth(cell, SMALL) + 16);
  const texts = [textWidth(item.title, TITLE), ...item.small.map((line) => textWidth(line, SMALL))];
  item.cellWidths = cells;
  item.w = Math.ceil(Math.max(44, ...texts.map((width) => width + 20), cells.reduce((sum, width) => sum + width, 0)));
  item.h = 28 + 15 * item.small.length + (cells.length ? 20 : 0);
}

let scene; // the visible graph, laid out and drawn
let here = null; // the key of the item that Tab goes to

function draw() {
  const graph = visibleGraph();
  for (const item of graph.items) (item.open ? measureTitle : dress)(item);
  const pieces = layOut(graph, leftToRight);
  for (const id of ["frames", "edges", "items"]) $(id).replaceChildren();
  scene = { ...graph, pieces, byKey: new Map(graph.items.map((item) => [item.key, item])) };
  for (const piece of pieces) drawPiece(piece);
  for (const edge of graph.edges) drawTwice(edge);
  for (const item of graph.items) (item.open ? drawFrame : drawItem)(item);
  if (!scene.byKey.has(here)) here = graph.items.find((item) => item.node !== null)?.key ?? graph.items[0]?.key ?? null;
  scene.byKey.get(here)?.drawn.setAttribute("tabindex", "0");
  paint();
}

function drawPiece(piece) {
  const { left, top } = piece.level;
  let place = 0;
  const d = piece.path.map((part) => (typeof part === "string" ? part : Math.round(10 * (part + (place++ % 2 ? top : left))) / 10));
  piece.drawn = svg("path", { d: d.join(" "), class: piece.kind }, $("edges"));
}

/** Say where an op has the same input more than once, which is one arrow. */
function drawTwice({ source, target, pairs, piece }) {
  if (source.node === null || target.node === null || pairs.length < 2) return;
  const [x, y] = piece.tip, { left, top } = piece.level;
  const side = source.left + source.w / 2 > left + x + 2 ? -1 : 1; // away from the line
  svg("text", { x: left + x + 7 * side, y: top + y - 8, class: side < 0 ? "before" : "" }, $("edges"), `×${pairs.length}`);
}

const control = (item, label, className, more = {}) => svg("g", {
  "data-key": item.key, class: className, tabindex: -1, role: "button", "aria-label": label, ...more,
}, $("items"));

function drawFrame(item) {
  const { left, top, w, h } = item;
  svg("rect", { class: item.backward ? "frame gradient" : "frame", x: left, y: top, width: w, height: h, rx: 8 }, $("frames"));
  const title = frameTitle(item);
  const g = item.drawn = control(item, `${boxName(item.box)}, ${kindOf(item.box)}, open`, "frame-title", { "aria-expanded": "true" });
  svg("rect", { x: left + 2, y: top + 2, width: Math.min(w - 4, item.titleWidth + 16), height: 18, rx: 5 }, g);
  svg("text", { x: left + 10, y: top + 15 }, g, title);
}

function drawItem(item) {
  const { left, top, w, h, node } = item;
  const kind = node !== null ? nodes[node].kind : item.backward ? "gradient" : "module";
  const label = node === null ? `${boxName(item.box)}, ${kindOf(item.box)}, folded` : `${name(node)}, ${kind}, ${[...item.small, ...item.cells].join(", ")}`;
  const g = item.drawn = control(item, label, `item ${kind}`, node === null ? { "aria-expanded": "false" } : {});
  if (node === null) svg("rect", { x: left + 3, y: top + 3, width: w, height: h, rx: 6 }, g);
  svg("rect", { x: left, y: top, width: w, height: h, rx: 6 }, g);
  const middle = left + w / 2;
  svg("text", { x: middle, y: top + 18.5 }, g, item.title);
  item.small.forEach((line, i) => svg("text", { class: "small", x: middle, y: top + 34 + 15 * i }, g, line));
  drawCells(item, g);
}

function drawCells(item, g) {
  if (!item.cells.length) return;
  const { left, top, w, h } = item;
  const spare = (w - item.cellWidths.reduce((sum, width) => sum + width, 0)) / item.cells.length;
  svg("line", { x1: left, x2: left + w, y1: top + h - 19, y2: top + h - 19 }, g);
  let x = left;
  item.cells.forEach((cell, i) => {
    const width = item.cellWidths[i] + spare;
    if (i) svg("line", { x1: x, x2: x, y1: top + h - 19, y2: top + h }, g);
    const text = svg("text", { class: `small ${cell.startsWith("grad ") ? "grad" : "value"}`, x: x + width / 2, y: top + h - 6 }, g, cell);
    if (cell.startsWith("grad ")) item.gradText = text;
    x += width;
  });
}

// ------------------------------------------------------------------------- selection, steps, matches

let selected = null; // the number of a node
let step = null; // 0: before the first; null: not stepping
let matches = [];
let match = -1; // the place of the one that is shown

/** Return the nodes on the ways from a node to the outputs, or of a gradient, to where they end. */
function pathToOutputs(n) {
  const below = new Set([n]), stack = [n];
  while (stack.length) for (const next of consumers[stack.pop()]) if (!below.has(next)) below.add(next), stack.push(next);
  const path = new Set(), reached = outputs.filter((output) => below.has(output));
  const back = reached.length ? reached : [...below].filter((end) => !consumers[end].length);
  while (back.length) {
    const at = back.pop();
    if (path.has(at)) continue;
    path.add(at);
    for (const x of nodes[at].inputs) if (below.has(x)) back.push(x);
  }
  return path;
}

/** Show on the picture what is selected, found, and reached by the steps. */
function paint() {
  const query = $("query").value.trim() !== "", lit = new Set();
  const path = selected !== null && step === null ? pathToOutputs(selected) : null;
  for (const n of path ?? matches.filter((it) => it.node !== null).map((it) => it.node)) lit.add(scene.stands[n]);
  const found = new Set(matches.map(standing));
  if (!path) for (const item of found) lit.add(item);
  $("picture").classList.toggle("dimmed", path !== null || query);
  const current = step ? scene.stands[steps[step - 1].node] : null;
  for (const item of scene.items) {
    const { classList } = item.drawn;
    classList.toggle("lit", lit.has(item));
    classList.toggle("match", query && found.has(item));
    classList.toggle("selected", selected !== null && scene.stands[selected] === item && !item.open);
    classList.toggle("current", item === current);
    if (item.node !== null) item.drawn.setAttribute("aria-pressed", item.node === selected);
  }
  paintEdges("lit", ({ pairs }) => path && pairs.some(([x, n]) => path.has(x) && path.has(n)));
  const flows = new Map(), key = (n, x) => n * nodes.length + x; // whether each is of the latest step
  steps.slice(0, step ?? 0).forEach((it, i) => it.leaving.forEach(([to]) => flows.set(key(it.node, to), i === step - 1)));
  paintEdges("flowed", ({ pairs }) => pairs.some(([x, n]) => flows.has(key(n, x))));
  paintEdges("flowing", ({ pairs }) => pairs.some(([x, n]) => flows.get(key(n, x))));
  paintGradients();
}

/** Give a class to the pieces of the edges that `chosen` chooses, back to where they begin. */
function paintEdges(name, chosen) {
  const pieces = new Set();
  for (const edge of scene.edges) {
    if (!chosen(edge)) continue;
    for (let piece = edge.piece; piece && !pieces.has(piece); piece = piece.parent) pieces.add(piece);
  }
  for (const piece of scene.pieces) piece.drawn.classList.toggle(name, pieces.has(piece));
}

/** While stepping, the gradients in the nodes are what has arrived so far. */
function paintGradients() {
  const totals = step === null ? null : arrived(step);
  for (const item of scene.items) {
    if (!item.gradText) continue;
    const total = totals?.get(item.node);
    item.gradText.textContent = totals === null ? `grad ${size(gradients[item.node]) || "–"}` : total ? `grad ${sizeOf(total)}` : "grad ·";
  }
}

/** Add up what the first steps sent to each node. */
function arrived(until) {
  const totals = new Map(seeds);
  for (const { leaving } of steps.slice(0, until)) {
    for (const [to, number] of leaving) totals.set(to, merged(totals.get(to), arrays[number]));
  }
  return totals;
}

/** Add an array to what has arrived before; values is null where they are too large. */
const merged = (before, array) => ({
  array, parts: (before?.parts ?? 0) + 1, values: before ? added(before.values, array.values) : array.values,
});

const sizeOf = ({ array, values, parts }) => (parts < 2 ? size(array) : values === null ? "so far" : size({ ...array, values, rms: rms(values), bad: 0 }));

/** Add numbers or nested lists of them; null if there are none, or complex ones. */
function added(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) {
    const sums = a.map((value, i) => added(value, b[i]));
    return sums.includes(null) ? null : sums;
  }
  const parsed = [a, b].map(real);
  return parsed.includes(null) ? null : written(parsed[0] + parsed[1]);
}

const SPECIAL = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const real = (value) => (typeof value === "number" ? value : SPECIAL[value] ?? null);
const written = (value) => (Number.isFinite(value) ? value : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf");
function rms(values) {
  const flat = [values].flat(Infinity).map(real);
  return flat.length ? written(Math.sqrt(flat.reduce((sum, value) => sum + value * value, 0) / flat.length)) : null;
}

function select(n) {
  selected = n;
  if (step === null || n !== null) show(n === null ? [] : nodeDetails(n));
  paint();
}

function goToStep(to) {
  if (!steps.length) return;
  step = Math.max(0, Math.min(steps.length, to));
  selected = null;
  show(step ? stepDetails(step) : seedDetails());
  paint();
  reveal(step ? scene.stands[steps[step - 1].node] : scene.stands[outputs[0] ?? 0]);
  bar();
}

function leaveSteps() {
  step = null;
  select(null);
  bar();
}

function bar() {
  const on = step !== null;
  $("steps").classList.toggle("stepping", on);
  $("walk").hidden = !steps.length;
  $("first").disabled = $("back").disabled = !step;
  $("forward").disabled = $("last").disabled = step === steps.length;
  $("leave").hidden = !on;
  $("where").textContent = !steps.length ? data.no_steps || "There are no steps back through this graph."
    : on ? `step ${step} of ${steps.length}` : `Step through backpropagation: ${count(steps.length)} step${steps.length === 1 ? "" : "s"}`;
}

// ------------------------------------------------------------------------------------------ the panel

function show(parts) {
  $("panel").hidden = !parts.length;
  $("details").replaceChildren(...parts);
  $("panel").scrollTop = 0;
}

const paragraph = (text, className = "") => element("p", { class: className }, text);
const title = (tag, text) => element(tag, { dir: "auto" }, text);
const link = (n) => element("button", { dir: "auto", onclick: () => go(n), title: name(n) }, shortened(name(n), 60));

function pairsList(pairs) {
  const list = element("dl");
  for (const [term, text] of pairs) if (text !== null && text !== undefined && text !== "") list.append(element("dt", {}, term), element("dd", { dir: "auto" }, text));
  return list;
}

function nodeDetails(n) {
  const node = nodes[n], value = arrays[node.value], grad = gradients[n];
  const parts = [title("h2", name(n)), pairsList([
    ["op", node.op], ["kind", node.kind], ["with", node.lines.join(", ")], ["made at", node.made],
    ["in", node.box === null ? null : boxPath(node.box)],
    ["shape", value && shape(value)], ["dtype", value?.dtype], ["memory", node.bytes === null ? null : bytes(node.bytes)],
    ["gradient", node.tracked ? (grad ? null : "not computed") : "not tracked"],
  ])];
  if (node.error) parts.splice(1, 0, paragraph(node.error, "error"));
  if (value) parts.push(title("h3", "Value"), ...arrayDetails(value));
  if (grad) parts.push(title("h3", "Gradient"), ...arrayDetails(grad));
  if (node.rule.length) parts.push(title("h3", "Rule"), ruleList(node.rule), letters([value, ...node.inputs.map((x) => arrays[nodes[x].value])]));
  parts.push(...linkList("Inputs", node.inputs), ...linkList("Used by", consumers[n]));
  return parts;
}

function boxPath(b) {
  const path = [];
  for (; b !== null; b = boxes[b].parent) path.unshift(boxName(b));
  return path.join(" › ");
}

function ruleList(rule) {
  const list = element("dl");
  for (const [input, text] of rule) list.append(element("dt", {}, input), element("dd", {}, element("code", {}, text)));
  return list;
}

/** Say what the letters of a rule mean; the gradients of complex numbers, as one sees them, are conjugated. */
function letters(involved) {
  const complex = involved.some((array) => array?.dtype.startsWith("complex"));
  return paragraph(complex ? "g: the conjugate of the gradient arriving, y: the op's result; what leaves is the conjugate of what the rule gives"
    : "g: the gradient arriving, y: the op's result", "quiet");
}

function linkList(heading, numbers) {
  if (!numbers.length) return [];
  const more = numbers.length > 50 ? paragraph(`and ${count(numbers.length - 50)} more`, "quiet") : null;
  return [title("h3", heading), element("div", { class: "links" }, ...numbers.slice(0, 50).map(link)), more].filter(Boolean);
}

/** Show an array by its statistics, its numbers or a heat map, and its histogram. */
function arrayDetails(array) {
  const statistics = isNumber(array) ? [] : [pairsList(["min", "mean", "max", "rms"].map((word) => [word, array[word] === null ? null : number(array[word])]))];
  const bad = array.bad ? [paragraph(`${count(array.bad)} of its elements ${array.bad === 1 ? "is" : "are"} NaN or infinite`, "error")] : [];
  return [...statistics, ...bad, picture(array), array.histogram && array.histogram.low !== array.histogram.high ? histogram(array) : null].filter(Boolean);
}

/** Return the rows of an array as a matrix: its last axis across. */
function rows(array) {
  if (array.sample) return array.sample;
  let values = array.values;
  const columns = array.shape.at(-1) ?? 1;
  if (!array.shape.length) return [[values]];
  values = values.flat(Infinity);
  return Array.from({ length: columns ? values.length / columns : 0 }, (_, i) => values.slice(i * columns, (i + 1) * columns));
}

/** Show numbers of a small array, and a heat map of a large one. */
function picture(array) {
  if (array.values === null && !array.sample) return paragraph(`${shape(array)}: not shown`, "quiet");
  if (array.shape.includes(0)) return paragraph(`${shape(array)}: empty`, "quiet");
  return array.values !== null ? numbers(array) : heatMap(array);
}

function scaleOf(matrix) {
  return Math.max(0, ...matrix.flat().map((value) => Math.abs(real(value) ?? 0)).filter(Number.isFinite));
}

function numbers(array) {
  const matrix = rows(array), most = scaleOf(matrix);
  const table = element("table", { class: "numbers" }, ...matrix.map((row) => element("tr", {}, ...row.map((value) => {
    const cell = element("td", {}, number(value));
    if (array.shape.length && real(value) !== null) cell.style.background = tint(real(value), most);
    return cell;
  }))));
  return element("div", { class: "scroll", tabIndex: matrix[0].length > 6 ? 0 : -1 }, table);
}

/** The background of a number: pale, so that it can be read on it. */
function tint(value, most) {
  if (!Number.isFinite(value)) return "color-mix(in srgb, var(--bad) 35%, transparent)";
  const part = most ? Math.round(32 * Math.abs(value) / most) : 0;
  return `color-mix(in srgb, var(--${value < 0 ? "negative" : "positive"}) ${part}%, transparent)`;
}

function heatMap(array) {
  const matrix = rows(array), most = scaleOf(matrix), columns = matrix[0].length;
  const map = element("canvas", { width: columns, height: matrix.length, role: "img", "aria-label": `heat map from ${number(-most)} to ${number(most)}` });
  const cell = Math.max(1, Math.min(18, Math.floor(320 / columns), Math.floor(240 / matrix.length)));
  [map.style.width, map.style.height] = [`${cell * columns}px`, `${cell * matrix.length}px`];
  const context = map.getContext("2d"), image = context.createImageData(columns, matrix.length);
  const [negative, zero, positive, bad] = ["negative", "zero", "positive", "bad"].map(color);
  matrix.flat().forEach((text, i) => {
    const value = real(text) ?? NaN, end = value < 0 ? negative : positive, part = most ? Math.abs(value) / most : 0;
    image.data.set([0, 1, 2].map((c) => (Number.isFinite(value) ? zero[c] + (end[c] - zero[c]) * part : bad[c])).concat(255), i * 4);
  });
  context.putImageData(image, 0, 0);
  const [shown, across, of, ofAcross] = array.sampled;
  const sample = shown < of || across < ofAcross ? paragraph(`${shown} × ${across} of ${count(of)} × ${count(ofAcross)}`, "quiet") : null;
  const ramp = element("div", { class: "ramp" });
  const scale = element("div", { class: "scale" }, element("span", {}, number(-most)), element("span", {}, "0"), element("span", {}, number(most)));
  scale.style.maxWidth = `max(${map.style.width}, 160px)`;
  ramp.style.maxWidth = scale.style.maxWidth;
  return element("figure", { style: "margin: 6px 0" }, map, ramp, scale, sample);
}

/** Read one of the page's colours as red, green and blue. */
function color(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16));
}

function histogram({ histogram: { low, high, counts } }) {
  const most = Math.max(1, ...counts);
  const chart = svg("svg", { class: "bars", viewBox: "0 0 320 56", preserveAspectRatio: "none", role: "img", "aria-label": `histogram from ${number(low)} to ${number(high)}` });
  const width = 320 / counts.length;
  const bars = counts.map((amount, i) => `M${i * width} 56v${-56 * amount / most}h${width - 1}V56z`);
  svg("path", { d: bars.join("") }, chart);
  const [least, largest] = [real(low), real(high)];
  if (least < 0 && largest > 0) svg("line", { x1: 320 * -least / (largest - least), x2: 320 * -least / (largest - least), y1: 0, y2: 56 }, chart);
  return element("div", {}, chart, element("div", { class: "ends" }, element("span", {}, number(low)), element("span", {}, number(high))));
}

// ------------------------------------------------------------------------------------ steps, in words

function seedDetails() {
  const which = outputs.map(name).map((text) => shortened(text, 40)).join(", ") || "the output";
  return [
    title("h2", "Before the first step"),
    paragraph(`The gradient of ${which} by itself is 1. It arrives at the end of the graph; each step takes what has arrived at an op, multiplies it by the op's local derivative, and hands it on to the op's inputs.`),
    paragraph("Forward: → or the button >.", "quiet"),
  ];
}

function stepDetails(number) {
  const it = steps[number - 1], node = nodes[it.node], array = arrays[it.arriving];
  const before = arrived(number - 1);
  const parts = [title("h2", `Step ${number}: ${name(it.node)}`)];
  if (scene.stands[it.node].node === null) parts.push(paragraph(`in ${boxPath(node.box)}, which is folded`, "quiet"));
  parts.push(element("p", {}, `${shortened(name(it.node), 60)}: the gradient arriving is `,
    element("span", { class: "gradient-text" }, isNumber(array) ? size(array) : `of shape ${shape(array)}, ${size(array)}`),
    isNumber(array) ? ", the derivative of the output by this op's result." : ", the derivative of the output by each element of this op's result."));
  if (!isNumber(array)) parts.push(picture(array));
  if (!it.leaving.length) parts.push(paragraph("None of its inputs needs a gradient: it ends here."));
  const unused = [...it.local];
  it.leaving.forEach(([to, leaving], i) => {
    const place = unused.findIndex(([x]) => x === to);
    const local = place < 0 ? null : arrays[unused.splice(place, 1)[0][1]];
    parts.push(element("h3", {}, "To ", link(to)));
    const rule = node.rule.length === it.leaving.length ? node.rule[i] : null;
    if (rule) parts.push(ruleList([rule]));
    parts.push(product(array, local, arrays[leaving]));
    parts.push(runningTotal(before, to, arrays[leaving]));
    before.set(to, merged(before.get(to), arrays[leaving]));
  });
  if (node.rule.length !== it.leaving.length && node.rule.length) parts.push(title("h3", "Rule"), ruleList(node.rule));
  if (node.rule.length) parts.push(letters([array, ...it.leaving.map(([, leaving]) => arrays[leaving])]));
  return parts.filter(Boolean);
}

/** Show how the gradient leaving comes from the gradient arriving and the local derivative. */
function product(arriving, local, leaving) {
  if (local && [arriving, local, leaving].every(isNumber)) {
    const factor = (array) => (String(number(single(array))).startsWith("-") ? `(${number(single(array))})` : number(single(array)));
    return element("div", { class: "product" }, element("span", { class: "equation" }, `${number(single(arriving))} × ${factor(local)} = `,
      element("span", { class: "gradient-text" }, number(single(leaving)))),
      element("span", { class: "quiet" }, "arriving × local derivative = leaving"));
  }
  const figure = (text, array) => element("figure", {}, element("figcaption", {}, text), picture(array));
  const jacobian = local && String(local.shape) === String([...arriving.shape, ...leaving.shape]) && arriving.shape.length && leaving.shape.length;
  const parts = [figure("leaving", leaving)];
  const how = !local ? "" : jacobian ? "The gradient arriving, as a row, times the Jacobian is the gradient leaving."
    : arriving.shape.length ? "arriving × local derivative = leaving, element by element" : `${number(single(arriving))} × local derivative = leaving`;
  if (how) parts.push(paragraph(how, "quiet"));
  if (local) parts.unshift(figure(jacobian ? `local derivative, a Jacobian ${shape(local)}` : "local derivative", jacobian ? asMatrix(local, leaving) : local));
  return element("div", { class: "product" }, ...parts);
}

/** See a Jacobian as a matrix: a row for each element of the result, a column for each of the input. */
function asMatrix(jacobian, input) {
  const elements = (lengths) => lengths.reduce((product, length) => product * length, 1), columns = elements(input.shape);
  return { ...jacobian, shape: [elements(jacobian.shape) / columns, columns] };
}

function runningTotal(before, to, leaving) {
  const earlier = before.get(to);
  if (!earlier || !earlier.parts) return null;
  const values = added(earlier.values, leaving.values);
  if (values === null) return paragraph(`It is added to what has arrived at ${shortened(name(to), 40)} before.`);
  if (isNumber(leaving)) {
    const [sum, old] = [values, earlier.values].map((value) => number([value].flat(Infinity)[0]));
    return paragraph(`Total so far: ${old} + ${number(single(leaving))} = ${sum}`, "total");
  }
  return element("div", { class: "total" }, paragraph("Total so far, with what has arrived before:"), picture({ ...leaving, values }));
}

// -------------------------------------------------------------------------------- view: pan and zoom

const view = { k: 1, x: 0, y: 0 };
const quiet = matchMedia("(prefers-reduced-motion: reduce)");

function place() {
  $("view").style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.k})`;
  const { classList } = $("picture");
  classList.toggle("far", view.k < 0.4);
  classList.toggle("farther", view.k < 0.2);
  classList.toggle("farthest", view.k < 0.05);
}

const onScreen = () => $("picture").getBoundingClientRect();

function zoom(factor, clientX, clientY) {
  const box = onScreen(), k = Math.max(0.005, Math.min(4, view.k * factor));
  const [x, y] = [(clientX ?? box.left + box.width / 2) - box.left, (clientY ?? box.top + box.height / 2) - box.top];
  Object.assign(view, { fitted: false, x: x - (x - view.x) * k / view.k, y: y - (y - view.y) * k / view.k, k });
  place();
}

/** Show everything; where that is smaller than `least`, show the beginning. */
function fit(least = 0) {
  const box = onScreen(), { w, h } = scene.root, margin = 24;
  if (!w || !h) return;
  const k = Math.max(least, Math.min(1.25, (box.width - 2 * margin) / w, (box.height - 2 * margin) / h));
  const beginning = scene.items.find((item) => item.node !== null && !item.backward) ?? scene.items[0];
  const start = (room, length, at) => (length * k <= room - 2 * margin + 1 ? (room - length * k) / 2
    : Math.max(room - length * k - margin, Math.min(margin, room / 2 - at * k)));
  Object.assign(view, {
    fitted: true, least, k,
    x: start(box.width, w, beginning.left + beginning.w / 2), y: start(box.height, h, beginning.top + beginning.h / 2),
  });
  place();
}

/** Where the panel or the window would hide a part of what was all in view, fit it again. */
function refit() {
  const box = onScreen(), { w, h } = scene.root;
  if (view.fitted && (view.x + w * view.k > box.width || view.y + h * view.k > box.height)) fit(view.least);
}

let motion = 0;
function glide(x, y) {
  cancelAnimationFrame(motion);
  const from = { ...view }, begun = performance.now();
  const frame = (now) => {
    const part = quiet.matches ? 1 : Math.max(0, Math.min(1, (now - begun) / 180)), eased = part * (2 - part);
    Object.assign(view, { x: from.x + (x - from.x) * eased, y: from.y + (y - from.y) * eased });
    place();
    if (part < 1) motion = requestAnimationFrame(frame);
  };
  frame(begun);
  if (!quiet.matches) motion = requestAnimationFrame(frame);
}

/** Bring an item into view, and no further than needed; what is too small to read comes nearer. */
function reveal(item) {
  if (!item) return;
  refit();
  const box = onScreen(), margin = 24;
  if (view.k < 0.4) {
    zoom(0.8 / view.k, box.left + view.x + (item.left + item.w / 2) * view.k, box.top + view.y + (item.top + 10) * view.k);
  }
  const h = item.open ? TITLE_ROOM : item.h, w = Math.min(item.w, box.width - 2 * margin);
  const within = (start, end, length) => Math.max(margin - start, 0) + Math.min(length - margin - end, 0);
  const [x, y] = [view.x + item.left * view.k, view.y + item.top * view.k];
  const [dx, dy] = [within(x, x + w * view.k, box.width), within(y, y + h * view.k, box.height)];
  if (dx || dy) glide(view.x + dx, view.y + dy);
}

// ------------------------------------------------------------------------------ folding and searching

/** Fold or unfold a box; its corner stays where it is on the screen. */
function toggle(b) {
  const key = `b${b}`, before = scene.byKey.get(key);
  view.fitted = false;
  folded[b] = !folded[b];
  draw();
  const after = standing({ node: null, box: b });
  view.x += (before.left - after.left) * view.k;
  view.y += (before.top - after.top) * view.k;
  place();
  focusOn(after, false);
}

function foldAll(value) {
  folded.fill(value);
  draw();
  fit(0.5);
}

/** Unfold a box and those around it. */
function unfold(box) {
  let changed = false;
  for (let b = box; b !== null; b = boxes[b].parent) [changed, folded[b]] = [changed || folded[b], false];
  if (changed) draw();
}

/** Go to a node: unfold what it is in, select it, bring it into view. */
function go(n) {
  unfold(nodes[n].box);
  focusOn(scene.byKey.get(`n${n}`), false);
  select(n);
  reveal(scene.byKey.get(`n${n}`));
}

/** Return the item that shows what was found: the node or box, or the folded box that it is in. */
function standing({ node, box }) {
  if (node !== null) return scene.stands[node];
  return scene.byKey.get(`b${box}`) ?? scene.stands[contents[box][0]];
}

function search() {
  const query = $("query").value.trim().toLowerCase();
  const has = (...texts) => texts.some((text) => text && text.toLowerCase().includes(query));
  matches = !query ? [] : [
    ...boxes.flatMap((box, b) => (contents[b].length && has(box.label) ? [{ box: b, node: null }] : [])),
    ...nodes.flatMap((node, n) => (has(node.title, node.op) ? [{ box: null, node: n }] : [])),
  ];
  match = -1;
  $("found").textContent = !query ? "" : matches.length ? `${count(matches.length)} found` : "none found";
  paint();
}

function nextMatch(by) {
  if (!matches.length) return;
  match = (Math.max(match, by < 0 ? 0 : -1) + by + matches.length) % matches.length;
  const { node, box } = matches[match];
  unfold(node === null ? boxes[box].parent : nodes[node].box);
  if (node !== null) select(node);
  const item = standing({ node, box });
  setHere(item);
  reveal(item);
  $("found").textContent = `${count(match + 1)} of ${count(matches.length)}`;
}

// ------------------------------------------------------------------------------- pointer and keyboard

const itemAt = (target) => scene.byKey.get(target.closest?.("[data-key]")?.dataset.key);

function activate(item) {
  setHere(item);
  if (item.node === null) toggle(item.box);
  else select(item.node);
}

function setHere(item) {
  scene.byKey.get(here)?.drawn.setAttribute("tabindex", "-1");
  here = item.key;
  item.drawn.setAttribute("tabindex", "0");
}

function focusOn(item, show = true) {
  if (!item) return;
  setHere(item);
  item.drawn.focus({ preventScroll: true });
  if (show) reveal(item);
}

const ALONG = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/** Move the focus: to an input or consumer that lies there, or else to the nearest that does. */
function move(item, [x, y]) {
  const middle = (it) => [it.left + (it.open ? 30 : it.w / 2), it.top + (it.open ? 10 : it.h / 2)];
  const [u, v] = middle(item);
  const distance = (it) => {
    const [du, dv] = [middle(it)[0] - u, middle(it)[1] - v];
    const along = du * x + dv * y, across = Math.abs(du * y) + Math.abs(dv * x);
    return along < 4 || along < across * 0.2 ? Infinity : along + 2 * across;
  };
  const nearest = (items) => items.filter((it) => distance(it) < Infinity).sort((p, q) => distance(p) - distance(q))[0];
  const linked = scene.edges.flatMap(({ source, target }) => (source === item ? [target] : target === item ? [source] : []));
  const flow = leftToRight ? x : y;
  focusOn((flow && nearest(linked)) || nearest(scene.items));
}

function tooltip(item, event) {
  const tip = $("tip");
  tip.hidden = !item;
  if (!item) return;
  const line = (text, className = "quiet") => element("div", { class: className, dir: "auto" }, text);
  if (item.node === null) {
    const words = wordsOn(item.box);
    tip.replaceChildren(element("b", { dir: "auto" }, shortened(boxName(item.box), 120)),
      line(`${words.length ? `${words.join(", ")}. ` : ""}Click to ${item.open ? "fold" : "unfold"}.`));
  } else {
    const node = nodes[item.node], value = arrays[node.value], grad = gradients[item.node];
    const spread = (label, array) => line(isNumber(array) ? `${label} ${size(array)}` : `${label} min ${number(array.min)}, mean ${number(array.mean)}, max ${number(array.max)}${array.bad ? `, ${count(array.bad)} NaN or infinite` : ""}`);
    tip.replaceChildren(...[
      element("b", { dir: "auto" }, shortened(name(item.node), 120)),
      node.error ? line(node.error, "error") : null,
      line([node.op ?? node.kind, value && `${shape(value)} ${value.dtype}`, node.bytes === null ? null : bytes(node.bytes)].filter(Boolean).join(" · ")),
      value ? spread("value", value) : null, grad ? spread("grad", grad) : null, node.made ? line(node.made) : null,
    ].filter(Boolean));
  }
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 6))}px`;
  tip.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18}px`;
}

function listenToPointer() {
  const area = $("picture"), fingers = new Map();
  let dragged = false;
  area.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX, event.clientY);
  }, { passive: false });
  area.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, from: [event.clientX, event.clientY] });
    dragged = fingers.size > 1;
    cancelAnimationFrame(motion);
  });
  area.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return tooltip(event.pointerType === "mouse" ? itemAt(event.target) : null, event);
    const { x, y, from } = finger;
    if (!dragged && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < 4) return;
    if (!area.hasPointerCapture(event.pointerId)) area.setPointerCapture(event.pointerId);
    dragged = true;
    tooltip(null);
    area.classList.add("dragged");
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (px, py) => Math.max(Math.hypot(px - other.x, py - other.y), 1);
      zoom(apart(event.clientX, event.clientY) / apart(x, y), other.x, other.y);
    } else {
      view.fitted = false;
      view.x += event.clientX - x;
      view.y += event.clientY - y;
      place();
    }
    Object.assign(finger, { x: event.clientX, y: event.clientY });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    area.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      area.classList.remove("dragged");
    });
  }
  area.addEventListener("pointerleave", () => tooltip(null));
  area.addEventListener("click", (event) => {
    if (dragged) return;
    const item = itemAt(event.target);
    if (item) activate(item);
    else if (step === null) select(null);
  });
}

function escape() {
  if ($("query").value) {
    $("query").value = "";
    search();
  } else if (step !== null) leaveSteps();
  else select(null);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const { key } = event, typing = event.target === $("query");
  const item = itemAt(event.target);
  const walking = step !== null || !item;
  const actions = {
    Escape: escape,
    ...(typing ? { Enter: () => nextMatch(event.shiftKey ? -1 : 1) } : {
      "/": () => $("query").select(), "?": () => $("help").showModal(), 0: () => fit(), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8),
      ...(walking ? { ArrowRight: () => goToStep((step ?? 0) + 1), ArrowLeft: () => goToStep((step ?? 0) - 1), Home: () => goToStep(0), End: () => goToStep(Infinity) } : {}),
    }),
    ...(item ? { Enter: () => activate(item), " ": () => activate(item) } : {}),
  };
  const action = actions[key] ?? (item && ALONG[key] ? () => move(item, ALONG[key]) : null);
  if (!action) return;
  event.preventDefault();
  action();
}

function begin() {
  $("title").textContent = plain(data.title) || "Graph";
  $("title").title = data.title;
  $("caption").textContent = data.caption;
  $("caption").hidden = !data.caption;
  $("empty").hidden = nodes.length > 0;
  $("fold").hidden = $("unfold").hidden = !contents.some((inside) => inside.length);
  draw();
  fit(0.5);
  bar();
  const clicks = {
    fit: () => fit(), fold: () => foldAll(true), unfold: () => foldAll(false), keys: () => $("help").showModal(),
    first: () => goToStep(0), back: () => goToStep((step ?? 0) - 1), forward: () => goToStep((step ?? 0) + 1), last: () => goToStep(steps.length),
    leave: leaveSteps, close: () => (step === null ? select(null) : show([])),
  };
  for (const id in clicks) $(id).addEventListener("click", clicks[id]);
  $("query").addEventListener("input", search);
  $("search").addEventListener("submit", (event) => event.preventDefault());
  $("items").addEventListener("focusin", (event) => {
    const item = itemAt(event.target);
    if (item && item.drawn.matches(":focus-visible")) setHere(item), reveal(item);
  });
  document.addEventListener("keydown", onKey);
  listenToPointer();
  new ResizeObserver(refit).observe($("picture"));
  // Heat maps are painted in the theme's colours.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (step) show(stepDetails(step));
    else if (selected !== null) show(nodeDetails(selected));
  });
}

begin();
