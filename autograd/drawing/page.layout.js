// Layered layout of boxes in boxes: ranks by longest paths, orders by barycentres, straight lines by medians.
// Everything is laid out from top to bottom: u is across, v along. From left to right, the results are turned.
// An item has w, h, parent, order (of creation), and where it is an open box, children and titleWidth.

const GAP = { node: 22, dummy: 12, layer: 30 };
const TITLE_ROOM = 20; // above what is in an open box
const MOST_DUMMIES = 10000; // longer edges are drawn straight through, so that no graph is slow

/** Lay out everything, inner boxes first, and connect the pieces of nets across the borders of boxes. */
function layOut({ root, items, edges }, leftToRight) {
  horizontal = leftToRight;
  makeNets(edges);
  const levels = [root, ...items.filter((item) => item.open)];
  for (const level of [...levels].reverse()) if (level.children.length) layOutLevel(level);
  [root.left, root.top] = [0, 0];
  for (const item of items) [item.left, item.top] = [item.parent.left + item.x, item.parent.top + item.y];
  for (const level of levels) {
    for (const [source, net] of level.nets) {
      let inside = source;
      while (inside && inside.parent !== level) inside = inside.parent;
      const before = inside === source ? null
        : inside ? inside.nets.get(source).ends.get(EXIT) : level.parent.nets.get(source).ends.get(level);
      for (const piece of net.starts) piece.parent = before;
    }
  }
  for (const edge of edges) edge.piece = edge.target.parent.nets.get(edge.source).ends.get(edge.target);
  return levels.flatMap((level) => level.pieces ?? []);
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

/** Lay out one box: place its children (x, y within it), set its size, and route its nets as pieces. */
function layOutLevel(level) {
  const { vertices, nets } = levelGraph(level);
  const ported = vertices.some((vertex) => vertex.port);
  const groups = ported ? [vertices] : components(vertices, nets);
  const pad = level.parent ? 14 : 0, title = level.parent && horizontal ? TITLE_ROOM : 0;
  const blocks = groups.map((group) => layered(group, nets.filter((net) => net.group === group || ported), level));
  const [across, along] = shelves(blocks);
  const wide = across + 2 * pad + title;
  [level.w, level.h] = turned(wide, along);
  level.w = Math.max(level.w, level.parent ? level.titleWidth + 24 : 0);
  const [shift, stretch] = horizontal ? [0, level.w - along] : [(level.w - wide) / 2, 0]; // a long title makes room
  for (const block of blocks) {
    for (const layer of block.layers) {
      layer.offset = block.v + (layer[0].port === "exit" ? stretch : 0);
      for (const vertex of layer) {
        vertex.u += block.u + pad + title + shift;
        vertex.v += layer.offset;
      }
    }
  }
  level.entries = new Map();
  level.exits = new Map();
  const middle = (horizontal ? level.h : level.w) / 2;
  for (const vertex of vertices) {
    if (vertex.port) (vertex.port === "entry" ? level.entries : level.exits).set(vertex.source, vertex.u - middle);
    else [vertex.item.x, vertex.item.y] = turned(vertex.u - vertex.w / 2, vertex.v);
  }
  level.pieces = nets.flatMap((net) => route(net, level.nets.get(net.source), level));
}

let horizontal = false;
const turned = (u, v) => (horizontal ? [v, u] : [u, v]);

/** Make vertices of a box's children and of the places where edges enter and leave it. */
function levelGraph(level) {
  const of = new Map();
  const vertices = level.children.map((item) => {
    const [w, h] = turned(item.w, item.h);
    const vertex = { item, w, h, order: item.order };
    of.set(item, vertex);
    return vertex;
  });
  const port = (kind, source) => {
    const vertex = { port: kind, source, w: 0, h: 0, order: kind === "entry" ? source.order - 1e9 : 1e9 };
    vertices.push(vertex);
    return vertex;
  };
  const nets = [];
  for (const [source, net] of level.nets) {
    let inside = source;
    while (inside && inside.parent !== level) inside = inside.parent;
    const from = inside ? of.get(inside) : port("entry", source);
    const fromShift = inside?.open ? inside.exits.get(source) : 0;
    const ends = [...net.targets].map(([end, slot]) => ({
      end, slot,
      vertex: end === EXIT ? port("exit", source) : of.get(end),
      shift: end.open ? end.entries.get(source) : 0,
    }));
    nets.push({ source, from, fromShift, ends, tracked: net.tracked, trunk: [from], leaving: [], direct: [] });
  }
  return { vertices, nets };
}

/** Split into what hangs together. */
function components(vertices, nets) {
  const leader = new Map(vertices.map((vertex) => [vertex, vertex]));
  const find = (vertex) => {
    while (leader.get(vertex) !== vertex) {
      leader.set(vertex, leader.get(leader.get(vertex)));
      vertex = leader.get(vertex);
    }
    return vertex;
  };
  for (const net of nets) for (const { vertex } of net.ends) leader.set(find(vertex), find(net.from));
  const groups = new Map();
  for (const vertex of vertices) {
    const head = find(vertex);
    if (!groups.has(head)) groups.set(head, []);
    groups.get(head).push(vertex);
  }
  for (const net of nets) net.group = groups.get(find(net.from));
  return [...groups.values()];
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

function layered(vertices, nets, level) {
  rank(vertices, nets);
  const layers = makeLayers(vertices, nets);
  order(layers);
  align(layers);
  return measure(layers, level);
}

/** Rank by the longest path; what only feeds one place stands just before it. */
function rank(vertices, nets) {
  for (const vertex of vertices) [vertex.ins, vertex.outs, vertex.missing] = [[], [], 0];
  for (const net of nets) {
    for (const { vertex } of net.ends) {
      net.from.outs.push(vertex);
      vertex.ins.push(net.from);
      vertex.missing++;
    }
  }
  const sorted = [], waiting = [...vertices].sort((a, b) => b.order - a.order), ready = [];
  const entered = vertices.some((vertex) => vertex.port === "entry") ? 1 : 0;
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
    const before = vertex.ins.filter((x) => x.place !== undefined && x !== vertex);
    vertex.rank = vertex.port === "entry" ? 0 : Math.max(entered, ...before.map((x) => x.rank + 1));
    vertex.light = vertex.port !== "entry" && before.every((x) => x.light) && (vertex.outs.length === 1 || !before.length);
    for (const out of vertex.outs) {
      if (--out.missing === 0 && !done.has(out)) {
        ready.push(out);
        done.add(out);
      }
    }
  }
  const last = Math.max(...vertices.map((vertex) => vertex.rank + (vertex.port !== "exit" ? 1 : 0)));
  for (const vertex of vertices) if (vertex.port === "exit") vertex.rank = last;
  for (const vertex of sorted.reverse()) {
    const after = vertex.outs.filter((out) => out.place > vertex.place);
    if (vertex.light && after.length) vertex.rank = Math.min(...after.map((out) => out.rank)) - 1;
  }
}

/** Let each net pass the layers between its ends on a trunk of points that its branches share. */
function makeLayers(vertices, nets) {
  const layers = [];
  const put = (vertex, rank) => {
    while (layers.length <= rank) layers.push([]);
    layers[rank].push(vertex);
    [vertex.up, vertex.down] = [[], []];
    vertex.layer = layers[rank];
  };
  vertices.forEach((vertex) => put(vertex, vertex.rank));
  const link = (net, k, b, end) => {
    const a = net.trunk[k];
    const it = { a, b, end, shiftA: k ? 0 : net.fromShift, shiftB: end ? end.shift : 0, slot: end ? end.slot : 0 };
    const weight = a.dummy && b.dummy ? 8 : a.dummy || b.dummy ? 2 : 4;
    it.weight = net.from.ins.length || net.from.port ? weight * (net.tracked ? 2 : 1) : 1e-4 * weight;
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
        const dummy = { dummy: true, w: 0, h: 0, order: net.from.order + 0.5 };
        put(dummy, net.from.rank + net.trunk.length);
        link(net, net.trunk.length - 1, dummy, null);
        net.trunk.push(dummy);
      }
      link(net, span - 1, end.vertex, end);
    }
  }
  return layers.filter((layer) => layer.length);
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

/** Set v from the heights of the layers, with more room where edges go far across. */
function measure(layers, level) {
  const head = level.parent && !horizontal ? TITLE_ROOM : 0;
  const entered = layers[0][0].port === "entry", left = layers.at(-1)[0].port === "exit";
  let v = level.parent && !entered ? head + 10 : 0;
  let low = Infinity, high = -Infinity;
  layers.forEach((layer, i) => {
    const gap = i === 1 && entered ? head + 10 : i === layers.length - 1 && left ? 14 : GAP.layer;
    const far = Math.max(0, ...layer.flatMap(({ up }) => up.map(({ a, b, shiftA, shiftB }) => Math.abs(a.u + shiftA - b.u - shiftB))));
    if (i) v += gap + Math.min(far / 12, 50);
    const height = Math.max(...layer.map((vertex) => vertex.h));
    for (const vertex of layer) {
      const leaf = !vertex.up.length;
      vertex.v = v + (vertex.dummy ? 0 : leaf ? height - vertex.h : (height - vertex.h) / 2);
      if (vertex.dummy) vertex.h = height;
      low = Math.min(low, vertex.u - vertex.w / 2);
      high = Math.max(high, vertex.u + vertex.w / 2);
    }
    [layer.top, layer.bottom] = [v, v + height];
    v += height;
  });
  for (const vertex of layers.flat()) vertex.u -= low;
  return { layers, w: high - low, h: v + (level.parent && !left ? 14 : 0) };
}

/** Return the pieces of a net: paths between its branchings, each with the piece that leads to it. */
function route(net, owner, level) {
  const pieces = [];
  const begin = (parent, vertex, shift) => {
    const piece = { parent, path: [], level, tracked: net.tracked };
    if (!parent) owner.starts.push(piece);
    pieces.push(piece);
    const u = vertex.u + shift;
    const layer = vertex.layer;
    piece.at = u;
    piece.path.push("M", ...turned(u, vertex.v + vertex.h), "L", ...turned(u, layer.bottom + layer.offset));
    piece.v = layer.bottom + layer.offset;
    return piece;
  };
  const extend = (piece, vertex, shift, end) => {
    const u = vertex.u + shift + (end && !end.shift && !vertex.port ? arrival(piece.at - vertex.u, vertex.w) : 0);
    const top = vertex.layer.top + vertex.layer.offset, middle = (piece.v + top) / 2;
    piece.path.push("C", ...turned(piece.at, middle), ...turned(u, middle), ...turned(u, top));
    const stop = end ? vertex.v : vertex.v + vertex.h;
    piece.path.push("L", ...turned(u, stop));
    [piece.at, piece.v] = [u, stop];
    if (!end) return;
    owner.ends.set(end.end, piece);
    if (!vertex.port && !end.end.open) {
      piece.path.push("M", ...turned(u - 3.5, stop - 6), "L", ...turned(u, stop - 0.5), "L", ...turned(u + 3.5, stop - 6));
      piece.tip = turned(u, stop);
    }
  };
  let stem = null;
  net.trunk.forEach((vertex, k) => {
    const branches = net.leaving[k] ?? [];
    const shift = k ? 0 : net.fromShift;
    const alone = branches.length === 1 && stem;
    let next = null;
    for (const link of branches) {
      const piece = alone ? stem : begin(stem, vertex, shift);
      extend(piece, link.b, link.shiftB, link.end);
      if (!link.end) next = piece;
    }
    stem = next;
  });
  for (const end of net.direct) extend(begin(null, net.from, net.fromShift), end.vertex, end.shift, end);
  return pieces;
}

/** Let what comes from the left arrive a little left of the middle, so that arrows can be told apart. */
function arrival(distance, width) {
  const most = Math.max(Math.min(width / 2 - 8, 26), 0);
  return Math.abs(distance) < 2 ? distance : Math.max(-most, Math.min(most, distance * 0.2));
}
