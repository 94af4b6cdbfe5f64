// Layered layout of boxes in boxes: ranks by longest paths, orders by barycentres, straight lines by medians.
// Everything is laid out from top to bottom: u is across, v along. From left to right, the results are turned.
// An item has w, h, parent, order (of creation), and where it is an open box, children and titleWidth.
// The half that is `backward` flows up beside the other one: it shares the layers, but has orders and places of its own.
// An open box may have a `mirror`, the open box of its gradients, that is laid out together with it.

const GAP = { node: 22, dummy: 12, layer: 30, half: 90 };
const TITLE_ROOM = 20; // above what is in an open box
const MOST_DUMMIES = 10000; // longer edges are drawn straight through, so that no graph is slow

/** Lay out everything, inner boxes first, and connect the pieces of nets across the borders of boxes. */
function layOut({ root, items, edges }, leftToRight) {
  horizontal = leftToRight;
  const levels = [root, ...items.filter((item) => item.open)];
  const wires = [], flows = [];
  for (const edge of edges) (crosses(edge) ? wires : flows).push(edge);
  makeNets(flows);
  makeWires(wires, levels);
  for (const level of [...levels].reverse()) {
    if (level.children.length && !level.mirrored) layOutLevels(level.mirror ? [level, level.mirror] : [level]);
  }
  [root.left, root.top] = [0, 0];
  for (const item of items) [item.left, item.top] = [item.parent.left + item.xy[0], item.parent.top + item.xy[1]];
  for (const level of levels) {
    for (const [source, net] of level.nets) {
      let inside = source;
      while (inside && inside.parent !== level) inside = inside.parent;
      const before = inside === source ? null
        : inside ? inside.nets.get(source).ends.get(EXIT) : level.parent.nets.get(source).ends.get(level);
      for (const piece of net.starts) piece.parent = before;
    }
  }
  for (const edge of flows) edge.piece = edge.target.parent.nets.get(edge.source).ends.get(edge.target);
  routeWires(wires, root);
  return [...wires.map(({ piece }) => piece), ...levels.flatMap((level) => level.pieces ?? [])];
}

/** Tell whether an edge leaves its half somewhere on its way; note which of the children of a box it links. */
function crosses(edge) {
  let { source: a, target: b } = edge, found = a.backward !== b.backward;
  while (a.parent !== b.parent) {
    if (a.depth > b.depth) a = a.parent;
    else b = b.parent;
    found ||= a.backward !== b.backward;
  }
  edge.sides = [a, b];
  return found;
}

const EXIT = { key: "exit" };

/** In each box that an edge passes, let one net lead from where the source stands, or enters, to all it feeds. */
function makeNets(edges) {
  const net = (level, source) => {
    if (!level.nets.has(source)) level.nets.set(source, { level, source, targets: new Map(), tracked: false, ends: new Map(), starts: [] });
    return level.nets.get(source);
  };
  for (const { source, target, tracked, slot } of edges) {
    const above = new Set();
    for (let level = source.parent; level; level = level.parent) above.add(level);
    let level = target.parent, end = target;
    const reach = (level, end) => {
      const it = net(level, source);
      it.tracked ||= tracked;
      if (!it.targets.has(end)) it.targets.set(end, slot);
    };
    for (; !above.has(level); end = level, level = level.parent) reach(level, end);
    reach(level, end);
    for (let inner = source.parent; inner !== level; inner = inner.parent) reach(inner, EXIT);
  }
}

/** Note, where both ends of a wire are laid out together, that it does not go up; nor do mirrors stand above. */
function makeWires(wires, levels) {
  for (const level of levels) {
    level.wires = [];
    if (level.mirror) level.parent.wires.push([level, level.mirror]);
  }
  for (const { source, target } of wires) {
    const ends = new Map();
    for (let end = target; end.parent; end = end.parent) ends.set(end.parent, end);
    for (let from = source; from.parent; from = from.parent) {
      const to = ends.get(from.parent.mirror) ?? ends.get(from.parent);
      if (to && to !== from) from.parent.wires.push([from, to]);
    }
  }
}

/** Lay out a box, and its mirror: place their children (x, y within), set their sizes, and route their nets as pieces. */
function layOutLevels(levels) {
  const graph = levelGraph(levels), { vertices, nets } = graph;
  const whole = levels.length > 1 || vertices.some((vertex) => vertex.port);
  const pad = levels[0].parent ? 14 : 0, title = levels[0].parent && horizontal ? TITLE_ROOM : 0;
  const blocks = (whole ? [graph] : components(graph)).map((part) => layered(part, levels.length > 1));
  const [across, along] = shelves(blocks);
  const titles = levels.map((level) => (level.parent ? level.titleWidth + 24 : 0)), long = Math.max(along, ...titles);
  levels.forEach((level, i) => {
    const wide = (levels.length > 1 ? blocks[0].widths[i] : across) + 2 * pad + title;
    [level.w, level.h] = horizontal ? [long, wide] : [Math.max(wide, titles[i]), along];
    level.shift = pad + title + (horizontal ? 0 : (level.w - wide) / 2); // a long title makes room
    [level.entries, level.exits] = [new Map(), new Map()];
  });
  for (const block of blocks) {
    for (const row of block.rows) {
      const offset = block.v + (horizontal && row[0].last ? long - along : 0);
      row.top += offset;
      row.bottom += offset;
      for (const vertex of row) {
        vertex.u += block.u + vertex.level.shift;
        if (vertex.item) vertex.item.channel = block.u + block.widths[0] + GAP.half / 2 + vertex.level.shift;
        vertex.v += offset;
      }
    }
  }
  for (const { port, source, item, level, row, u, v, w } of vertices) {
    if (port) level[port].set(source, u - (horizontal ? level.h : level.w) / 2);
    else Object.assign(item, { row, xy: turned(u - w / 2, v) });
  }
  for (const level of levels) level.pieces = [];
  for (const net of nets) net.level.pieces.push(...route(net));
}

let horizontal = false;
const turned = (u, v) => (horizontal ? [v, u] : [u, v]);

/** Make vertices of the children of boxes, and of the places where edges enter and leave these. */
function levelGraph(levels) {
  const of = new Map(), vertices = [], nets = [];
  const add = (level, more) => vertices[vertices.push({ level, w: 0, h: 0, ...more }) - 1];
  const port = (level, port, source) => add(level, {
    port, source, backward: level.backward, order: port === "entries" ? source.order - 1e9 : 1e9,
    first: (port === "entries") !== level.backward, last: (port === "entries") === level.backward,
  });
  for (const level of levels) {
    for (const item of level.children) {
      const [w, h] = turned(item.w, item.h);
      of.set(item, add(level, { item, w, h, backward: item.backward, order: item.order }));
    }
    for (const [source, net] of level.nets) {
      let inside = source;
      while (inside && inside.parent !== level) inside = inside.parent;
      const from = inside ? of.get(inside) : port(level, "entries", source);
      const fromShift = inside?.open ? inside.exits.get(source) : 0;
      const ends = [...net.targets].map(([end, slot]) => ({
        end, slot,
        vertex: end === EXIT ? port(level, "exits", source) : of.get(end),
        shift: end.open ? end.entries.get(source) : 0,
      }));
      nets.push({ net, level, from, fromShift, ends, trunk: [from], leaving: [], direct: [] });
    }
  }
  return { vertices, nets, wires: levels[0].wires.map((ends) => ends.map((item) => of.get(item))) };
}

/** Split into what hangs together. */
function components({ vertices, nets, wires }) {
  const leader = new Map(vertices.map((vertex) => [vertex, vertex]));
  const find = (vertex) => {
    while (leader.get(vertex) !== vertex) {
      leader.set(vertex, leader.get(leader.get(vertex)));
      vertex = leader.get(vertex);
    }
    return vertex;
  };
  for (const { from, ends } of nets) for (const { vertex } of ends) leader.set(find(vertex), find(from));
  for (const [from, to] of wires) leader.set(find(to), find(from));
  const parts = new Map();
  const part = (vertex) => {
    const head = find(vertex);
    if (!parts.has(head)) parts.set(head, { vertices: [], nets: [], wires: [] });
    return parts.get(head);
  };
  for (const vertex of vertices) part(vertex).vertices.push(vertex);
  for (const net of nets) part(net.from).nets.push(net);
  for (const ends of wires) part(ends[0]).wires.push(ends);
  return [...parts.values()];
}

/** Put blocks side by side in rows, about as wide as high. */
function shelves(blocks) {
  const area = blocks.reduce((sum, block) => sum + (block.w + 40) * (block.h + 40), 0);
  const limit = Math.max(Math.sqrt(area) * 1.5, ...blocks.map((block) => block.w));
  let u = 0, v = 0, row = 0, across = 0;
  for (const block of blocks) {
    if (u && u + block.w > limit) [u, v, row] = [0, v + row + 40, 0];
    [block.u, block.v] = [u, v];
    across = Math.max(across, u + block.w);
    u += block.w + 40;
    row = Math.max(row, block.h);
  }
  return [across, v + row];
}

/** Lay out what hangs together: in layers that the halves share, and each half for itself within them. */
function layered({ vertices, nets, wires }, apart) {
  const depth = rank(vertices, nets, wires);
  const halves = [false, true].map((backward) => {
    const own = vertices.filter((vertex) => vertex.backward === backward);
    if (backward) for (const vertex of own) vertex.rank = depth - vertex.rank; // along the flow, as all that follows
    const layers = makeLayers(own, nets.filter(({ from }) => from.backward === backward), depth);
    order(layers);
    align(layers);
    return layers;
  });
  const [left, right] = halves.map((layers) => layers.flat());
  const widths = [beginAt(left, 0), beginAt(right, 0)];
  let w = Math.max(...widths);
  if (!apart && left.length && right.length) w = beginAt(right, widths[0] + GAP.half);
  const rows = halves[0].map((layer, i) => [...layer, ...halves[1][depth - i]]).filter((row) => row.length);
  return { rows, widths, w, h: measure(rows) };
}

/** Move vertices so that the first of them begins at u; return where the last ends. */
function beginAt(vertices, u) {
  let low = Infinity, high = -Infinity;
  for (const vertex of vertices) {
    low = Math.min(low, vertex.u - vertex.w / 2);
    high = Math.max(high, vertex.u + vertex.w / 2);
  }
  for (const vertex of vertices) vertex.u += u - low;
  return vertices.length ? high + u - low : 0;
}

/** Rank by the longest path; what only feeds one place stands just before it. Return the last rank. */
function rank(vertices, nets, wires) {
  for (const vertex of vertices) Object.assign(vertex, { above: [], below: [], missing: 0, place: undefined, fed: false });
  const link = (a, b, length) => {
    a.below.push({ vertex: b, length });
    b.above.push({ vertex: a, length });
    b.missing++;
  };
  for (const { from, ends } of nets) {
    for (const { vertex } of ends) {
      vertex.fed = true;
      link(...(from.backward ? [vertex, from] : [from, vertex]), 1);
    }
  }
  for (const [from, to] of wires) link(from, to, 0);
  const sorted = [], waiting = [...vertices].sort((a, b) => b.order - a.order), ready = [];
  const entered = vertices.some((vertex) => vertex.first) ? 1 : 0;
  const done = new Set();
  while (sorted.length < vertices.length) {
    if (!ready.length) {
      // None is ready: a beginning, or a cycle of boxes, which is cut at its oldest.
      while (done.has(waiting.at(-1))) waiting.pop();
      const free = waiting.findLast((vertex) => !done.has(vertex) && !vertex.missing) ?? waiting.at(-1);
      ready.push(free);
      done.add(free);
    }
    const vertex = ready.pop();
    vertex.place = sorted.length;
    sorted.push(vertex);
    const above = vertex.above.filter((it) => it.vertex.place !== undefined && it.vertex !== vertex);
    vertex.rank = vertex.first ? 0 : Math.max(entered, ...above.map((it) => it.vertex.rank + it.length));
    const flow = above.filter(({ length }) => length);
    vertex.light = !vertex.first && flow.every((it) => it.vertex.light)
      && (!flow.length || vertex.below.filter(({ length }) => length).length === 1);
    for (const { vertex: out } of vertex.below) {
      if (--out.missing === 0 && !done.has(out)) {
        ready.push(out);
        done.add(out);
      }
    }
  }
  const last = Math.max(...vertices.map((vertex) => vertex.rank + (vertex.last ? 0 : 1)));
  for (const vertex of vertices) if (vertex.last) vertex.rank = last;
  for (const vertex of sorted.reverse()) {
    const below = vertex.below.filter((it) => it.vertex.place > vertex.place && !(vertex.backward && it.vertex.last));
    if (vertex.light && below.some(({ length }) => length)) {
      vertex.rank = Math.min(...below.map((it) => it.vertex.rank - it.length));
    }
  }
  return Math.max(...vertices.map((vertex) => vertex.rank));
}

/** Let each net pass the layers between its ends on a trunk of points that its branches share. */
function makeLayers(vertices, nets, depth) {
  const layers = Array.from({ length: depth + 1 }, () => []);
  const put = (vertex, rank) => {
    layers[rank].push(vertex);
    [vertex.up, vertex.down] = [[], []];
  };
  vertices.forEach((vertex) => put(vertex, vertex.rank));
  const link = (net, k, b, end) => {
    const a = net.trunk[k];
    const it = { a, b, end, shiftA: k ? 0 : net.fromShift, shiftB: end ? end.shift : 0, slot: end ? end.slot : 0 };
    const weight = a.dummy && b.dummy ? 8 : a.dummy || b.dummy ? 2 : 4;
    it.weight = net.from.fed || net.from.port ? weight * (net.net.tracked ? 2 : 1) : 1e-4 * weight;
    a.down.push(it);
    b.up.push(it);
    (net.leaving[k] ??= []).push(it);
  };
  const spans = nets.map((net) => Math.max(...net.ends.map(({ vertex }) => vertex.rank)) - net.from.rank);
  let room = MOST_DUMMIES;
  const short = new Set();
  for (const i of spans.map((_, i) => i).sort((i, j) => spans[i] - spans[j])) {
    room -= Math.max(spans[i] - 1, 0);
    if (room >= 0) short.add(nets[i]);
  }
  for (const net of nets) {
    for (const end of [...net.ends].sort((a, b) => a.vertex.rank - b.vertex.rank)) {
      const span = end.vertex.rank - net.from.rank;
      if (span < 1 || (span > 1 && !short.has(net))) {
        net.direct.push(end);
        continue;
      }
      while (net.trunk.length < span) {
        const dummy = { dummy: true, level: net.level, backward: net.from.backward, w: 0, h: 0, order: net.from.order + 0.5 };
        put(dummy, net.from.rank + net.trunk.length);
        link(net, net.trunk.length - 1, dummy, null);
        net.trunk.push(dummy);
      }
      link(net, span - 1, end.vertex, end);
    }
  }
  return layers;
}

/** Order each layer by barycentres, up and down, and keep the order with the fewest crossings. */
function order(layers) {
  const total = layers.reduce((sum, layer) => sum + layer.length, 0);
  const number = (layer) => layer.forEach((vertex, place) => (vertex.pos = place));
  layers.forEach((layer) => number(layer.sort((a, b) => a.order - b.order)));
  let best = Infinity, kept = [];
  for (let sweep = 0; sweep < (total > 6000 ? 4 : 12) && best > 0; sweep++) {
    const upward = sweep % 2 === 0;
    for (const layer of upward ? [...layers].reverse() : layers) {
      for (const vertex of layer) vertex.key = barycentre(vertex, upward);
      number(layer.sort((a, b) => a.key - b.key || a.pos - b.pos));
    }
    const found = crossings(layers);
    if (found < best) [best, kept] = [found, layers.map((layer) => [...layer])];
  }
  layers.forEach((layer, i) => {
    layer.splice(0, layer.length, ...(kept[i] ?? layer));
    number(layer);
  });
}

function barycentre(vertex, upward) {
  let links = upward ? vertex.down : vertex.up;
  if (!links.length) return vertex.pos;
  // Trunks follow themselves and not their branches, or they would change places at each of them.
  if (vertex.dummy && upward && links.length > 1) links = links.filter(({ b }) => b.dummy);
  let sum = 0;
  for (const { a, b, shiftA, shiftB, slot } of links) {
    // A port of a box counts where it is on the box, an input where it stands among the inputs.
    sum += upward ? b.pos + (b.w ? shiftB / b.w : 0) + slot * 0.8 : a.pos + (a.w ? shiftA / a.w : 0);
  }
  return sum / links.length;
}

/** Count crossings between neighbouring layers with a Fenwick tree. */
function crossings(layers) {
  let found = 0;
  for (let i = 1; i < layers.length; i++) {
    const links = layers[i].flatMap((vertex) => vertex.up);
    links.sort((p, q) => p.a.pos - q.a.pos || p.shiftA - q.shiftA || p.b.pos - q.b.pos);
    const tree = new Int32Array(layers[i].length + 1);
    links.forEach((link, before) => {
      let left = 0;
      for (let k = link.b.pos + 1; k > 0; k -= k & -k) left += tree[k];
      found += before - left;
      for (let k = link.b.pos + 1; k < tree.length; k += k & -k) tree[k]++;
    });
  }
  return found;
}

/** Set u: every vertex wants to stand under (then above) the weighted median of its neighbours. */
function align(layers) {
  for (const layer of layers) {
    let u = 0;
    for (const vertex of layer) {
      vertex.u = u + vertex.w / 2;
      u += vertex.w + GAP.node;
    }
    for (const vertex of layer) vertex.u -= u / 2;
  }
  const sweep = (upward, moves) => {
    for (const layer of upward ? [...layers].reverse() : layers) {
      settle(layer, layer.map((vertex) => (moves(vertex) ? median(vertex, upward) ?? [vertex.u, 1e-4] : [vertex.u, 1e6])));
    }
  };
  const all = () => true;
  for (let i = 0; i < (layers.length > 500 ? 3 : 8); i++) {
    sweep(true, all);
    sweep(false, all);
  }
  sweep(true, (vertex) => !vertex.up.length || (vertex.dummy && vertex.down.some(({ b }) => b.dummy)));
}

/** Return the weighted median of where the neighbours are, and how much it matters: lines give way to boxes. */
function median(vertex, upward) {
  const links = upward ? vertex.down : vertex.up;
  if (!links.length) return null;
  const wanted = links.map(({ a, b, shiftA, shiftB, weight }) => (
    { u: upward ? b.u + shiftB - shiftA : a.u + shiftA - shiftB, weight }
  )).sort((p, q) => p.u - q.u);
  const half = wanted.reduce((sum, { weight }) => sum + weight, 0) / 2, matters = vertex.dummy ? Math.min(half, 0.01) : half;
  let passed = 0;
  for (let i = 0; ; i++) {
    passed += wanted[i].weight;
    if (passed > half + 1e-9 || i === wanted.length - 1) return [wanted[i].u, matters];
    if (Math.abs(passed - half) <= 1e-9) return [(wanted[i].u + wanted[i + 1].u) / 2, matters];
  }
}

/** Move a layer as near to what it wants as its order and gaps allow: pool adjacent violators. */
function settle(layer, wanted) {
  const pools = [];
  let offset = 0;
  layer.forEach((vertex, i) => {
    if (i) {
      const before = layer[i - 1];
      offset += (before.w + vertex.w) / 2 + (before.dummy || vertex.dummy || before.port || vertex.port ? GAP.dummy : GAP.node);
    }
    vertex.offset = offset;
    let pool = { sum: (wanted[i][0] - offset) * wanted[i][1], weight: wanted[i][1], size: 1 };
    while (pools.length && pools.at(-1).sum / pools.at(-1).weight > pool.sum / pool.weight) {
      const left = pools.pop();
      pool = { sum: left.sum + pool.sum, weight: left.weight + pool.weight, size: left.size + pool.size };
    }
    pools.push(pool);
  });
  let i = 0;
  for (const { sum, weight, size } of pools) {
    for (let k = 0; k < size; k++, i++) layer[i].u = sum / weight + layer[i].offset;
  }
}

/** Set v from the heights of the rows, with more room where edges go far across; return the height of all. */
function measure(rows) {
  const inside = rows[0][0].level.parent, [entered, left] = [rows[0][0].first, rows.at(-1)[0].last];
  const head = inside && !horizontal ? TITLE_ROOM : 0;
  let v = inside && !entered ? head + 10 : 0;
  rows.forEach((row, i) => {
    const gap = i === 1 && entered ? head + 10 : i === rows.length - 1 && left ? 14 : GAP.layer;
    const links = row.flatMap(({ backward, up, down }) => (backward ? down : up));
    const far = Math.max(0, ...links.map(({ a, b, shiftA, shiftB }) => Math.abs(a.u + shiftA - b.u - shiftB)));
    if (i) v += gap + Math.min(far / 12, 50);
    const height = Math.max(...row.map((vertex) => vertex.h));
    for (const vertex of row) {
      const spare = height - vertex.h, leaf = !vertex.up.length;
      vertex.v = v + (vertex.dummy ? 0 : !leaf ? spare / 2 : vertex.backward ? 0 : spare);
      if (vertex.dummy) vertex.h = height;
      vertex.row = row;
    }
    [row.top, row.bottom] = [v, v + height];
    v += height;
  });
  return v + (inside && !left ? 14 : 0);
}

/** Return the pieces of a net: paths between its branchings, each with the piece that leads to it. */
function route({ net, level, from, fromShift, trunk, leaving, direct }) {
  const pieces = [];
  // Along the flow, all begins at its start and ends at its stop, also where that leads up.
  const way = from.backward ? -1 : 1, at = (u, v) => turned(u, way * v);
  const ends = (top, bottom) => (from.backward ? { start: -bottom, stop: -top } : { start: top, stop: bottom });
  const body = ({ v, h }) => ends(v, v + h), layer = ({ row }) => ends(row.top, row.bottom);
  const begin = (parent, vertex, shift) => {
    const piece = { parent, path: [], level, kind: from.backward ? "backward" : net.tracked ? "tracked" : "" };
    if (!parent) net.starts.push(piece);
    pieces.push(piece);
    [piece.at, piece.v] = [vertex.u + shift, layer(vertex).stop];
    piece.path.push("M", ...at(piece.at, body(vertex).stop), "L", ...at(piece.at, piece.v));
    return piece;
  };
  const extend = (piece, vertex, shift, end) => {
    const u = vertex.u + shift + (end && !end.shift && !vertex.port ? arrival(piece.at - vertex.u, vertex.w) : 0);
    const top = layer(vertex).start, middle = (piece.v + top) / 2;
    piece.path.push("C", ...at(piece.at, middle), ...at(u, middle), ...at(u, top));
    const stop = end ? body(vertex).start : body(vertex).stop;
    piece.path.push("L", ...at(u, stop));
    [piece.at, piece.v] = [u, stop];
    if (!end) return;
    net.ends.set(end.end, piece);
    if (!vertex.port && !end.end.open) {
      piece.path.push("M", ...at(u - 3.5, stop - 6), "L", ...at(u, stop - 0.5), "L", ...at(u + 3.5, stop - 6));
      piece.tip = at(u, stop);
    }
  };
  let stem = null;
  trunk.forEach((vertex, k) => {
    const branches = leaving[k] ?? [];
    const shift = k ? 0 : fromShift;
    const alone = branches.length === 1 && stem;
    let next = null;
    for (const link of branches) {
      const piece = alone ? stem : begin(stem, vertex, shift);
      extend(piece, link.b, link.shiftB, link.end);
      if (!link.end) next = piece;
    }
    stem = next;
  });
  for (const end of direct) extend(begin(null, from, fromShift), end.vertex, end.shift, end);
  return pieces;
}

/** Make a piece of each wire: below the row of its source to between the halves, and below the row of its target. */
function routeWires(wires, root) {
  const used = new Map(), from = new Map(), into = new Map();
  const below = ({ parent, row }) => {
    const track = used.get(row) ?? 0;
    used.set(row, track + 1);
    return turned(parent.left, parent.top)[1] + row.bottom + 9 + 4 * (track % 4);
  };
  const bottom = (item, part) => {
    const [u, v] = turned(item.left, item.top), [w, h] = turned(item.w, item.h);
    return [u + w * part, v + h];
  };
  for (const edge of wires) {
    const { source, target, sides: [{ parent: level, channel }] } = edge;
    if (!from.has(source)) from.set(source, below(source));
    into.set(target, (into.get(target) ?? 0) + 1);
    const [u1, v1] = bottom(source, 0.75), [u2, v2] = bottom(target, Math.min(0.12 * into.get(target), 0.45));
    const y1 = from.get(source), y2 = source.row === target.row ? y1 : below(target);
    const middle = Math.max(turned(level.left, level.top)[0] + channel, u1 + 50);
    const turns = [
      "M", [u1, v1], "L", [u1, y1 - 6], "Q", [u1, y1], [u1 + 6, y1], "L", [middle - 30, y1],
      "C", [middle, y1], [middle, y2], [middle + 30, y2],
      "L", [u2 - 6, y2], "Q", [u2, y2], [u2, y2 - 6], "L", [u2, v2], "M", [u2 - 3.5, v2 + 6], "L", [u2, v2 + 0.5], "L", [u2 + 3.5, v2 + 6],
    ];
    const path = turns.flatMap((part) => (typeof part === "string" ? part : turned(...part)));
    edge.piece = { parent: null, path, level: root, kind: "wire", tip: turned(u2, v2) };
  }
}

/** Let what comes from the left arrive a little left of the middle, so that arrows can be told apart. */
function arrival(distance, width) {
  const most = Math.max(Math.min(width / 2 - 8, 26), 0);
  return Math.abs(distance) < 2 ? distance : Math.max(-most, Math.min(most, distance * 0.2));
}
