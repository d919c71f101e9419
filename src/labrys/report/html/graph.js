// Who and what an incident is about: a small force layout, draggable, with labels that do not overlap.

const MOST_NODES = 60;
const CARRIERS = ['process', 'user', 'account', 'host'];
const LETTER = {
  host: 'H', user: 'U', ip: 'IP', domain: 'D', hash: '#', process: 'P', file: 'F', url: 'L', account: 'A',
  service: 'S', registry: 'R', session: 'N', user_agent: 'UA', resource: 'O',
};

function entityGraph(incident, onPick, width = 0) {
  const { nodes, edges, folded } = network(incident);
  if (nodes.length < 4) return null;
  const wide = width || Math.max(340, Math.min(860, document.documentElement.clientWidth - 60));
  const high = Math.max(240, Math.min(wide < 600 ? 520 : 440, 140 + nodes.length * (wide < 600 ? 20 : 12)));
  settle(nodes, edges, wide, high, 320);
  fill(nodes, wide, high);
  const drawing = s('svg.graph', { viewBox: `0 0 ${wide} ${high}`, role: 'img', 'aria-label': `Graph of ${nodes.length} entities` });
  const lines = edges.map((edge) => s('line.edge', { 'stroke-width': Math.min(4, 1 + Math.log2(edge.count)) }));
  const marks = nodes.map((node) => mark(node, onPick));
  drawing.append(...lines, ...marks.map((each) => each.group), ...marks.map((each) => each.label));

  function place() {
    edges.forEach((edge, at) => {
      lines[at].setAttribute('x1', edge.from.x);
      lines[at].setAttribute('y1', edge.from.y);
      lines[at].setAttribute('x2', edge.to.x);
      lines[at].setAttribute('y2', edge.to.y);
    });
    nodes.forEach((node, at) => marks[at].group.setAttribute('transform', `translate(${node.x},${node.y})`));
    labels(nodes, marks, wide, high);
  }

  marks.forEach(({ group }, at) => draggable(drawing, group, nodes[at], wide, high, place));
  marks.forEach(({ group, label }, at) => {
    const light = (on) => {
      const near = new Set([nodes[at], ...edges.flatMap((e) => (e.from === nodes[at] ? [e.to] : e.to === nodes[at] ? [e.from] : []))]);
      drawing.classList.toggle('focus', on);
      marks.forEach((each, number) => {
        each.group.classList.toggle('near', on && near.has(nodes[number]));
        each.label.classList.toggle('near', on && near.has(nodes[number]));
      });
      lines.forEach((line, number) => line.classList.toggle('near', on && (edges[number].from === nodes[at] || edges[number].to === nodes[at])));
      label.classList.toggle('forced', on);
    };
    group.addEventListener('mouseenter', () => light(true));
    group.addEventListener('mouseleave', () => light(false));
  });
  place();
  const kinds = [...new Set(nodes.map((node) => node.type))];
  return h('div', null, drawing, h('div.legend', null,
    kinds.map((kind) => h('span', null, h(`i.key.t-${kind}`), kind.replace('_', ' '))),
    folded ? h('span.muted', null, `${plural(folded, 'more entity').replace('entitys', 'entities')} not drawn`) : null));
}

// Entities as nodes, the most involved ones; an edge where a finding ties two of them.
function network(incident) {
  const found = new Map();
  for (const row of incident.findings) {
    for (const entity of row.entities) {
      if (!entity.telling) continue;
      const node = found.get(entity.id) || { ...entity, weight: 0, first: row.index };
      node.weight += row.severity ** 2;
      found.set(entity.id, node);
    }
  }
  const ranked = [...found.values()].sort((a, b) => b.weight - a.weight || a.id - b.id);
  const nodes = ranked.slice(0, MOST_NODES);
  const kept = new Set(nodes.map((node) => node.id));
  const edges = new Map();
  for (const row of incident.findings) {
    for (const [from, to] of ties(row.entities.filter((entity) => kept.has(entity.id)))) {
      const key = from < to ? `${from}-${to}` : `${to}-${from}`;
      const edge = edges.get(key) || { from: found.get(from), to: found.get(to), count: 0 };
      edge.count += 1;
      edges.set(key, edge);
    }
  }
  return { nodes, edges: [...edges.values()], folded: ranked.length - nodes.length };
}

// Within one finding things hang on the most specific actor there is: a file on its process, a
// process on its user, a user on its host. All with all would only be a ball of wool.
function ties(entities) {
  const rank = (entity) => (CARRIERS.includes(entity.type) ? CARRIERS.indexOf(entity.type) : CARRIERS.length);
  const carriers = entities.filter((entity) => rank(entity) < CARRIERS.length).sort((a, b) => rank(a) - rank(b));
  const made = [];
  for (let at = 1; at < carriers.length; at += 1) made.push([carriers[at - 1].id, carriers[at].id]);
  const others = entities.filter((entity) => rank(entity) === CARRIERS.length);
  const hub = carriers[0] || others[0];
  for (const entity of others) if (hub && entity.id !== hub.id) made.push([hub.id, entity.id]);
  return made;
}

// Push all apart, pull the tied together, keep everything in the frame. The same start every time.
function settle(nodes, edges, wide, high, rounds) {
  nodes.forEach((node, at) => {
    const angle = at * 2.399963;
    const radius = 16 * Math.sqrt(at + 0.5);
    node.x = wide / 2 + radius * Math.cos(angle) * 1.7;
    node.y = high / 2 + radius * Math.sin(angle);
  });
  const ideal = Math.sqrt((wide * high) / (nodes.length + 2)) * 0.62;
  for (let round = 0; round < rounds; round += 1) {
    const heat = (1 - round / rounds) * 14 + 0.4;
    for (const node of nodes) {
      node.dx = (wide / 2 - node.x) * 0.012;
      node.dy = (high / 2 - node.y) * 0.03;
    }
    repel(nodes, ideal);
    for (const { from, to } of edges) {
      const [x, y] = [to.x - from.x, to.y - from.y];
      const far = Math.hypot(x, y) || 1;
      const pull = ((far - ideal) / far) * 0.12;
      from.dx += x * pull;
      from.dy += y * pull;
      to.dx -= x * pull;
      to.dy -= y * pull;
    }
    for (const node of nodes) {
      const far = Math.hypot(node.dx, node.dy) || 1;
      node.x = Math.max(20, Math.min(wide - 20, node.x + (node.dx / far) * Math.min(far, heat)));
      node.y = Math.max(18, Math.min(high - 18, node.y + (node.dy / far) * Math.min(far, heat)));
    }
  }
}

// Use the frame: a small graph in its middle is harder to read than a stretched one.
function fill(nodes, wide, high) {
  const [left, right] = [Math.min(...nodes.map((node) => node.x)), Math.max(...nodes.map((node) => node.x))];
  const [top, bottom] = [Math.min(...nodes.map((node) => node.y)), Math.max(...nodes.map((node) => node.y))];
  const room = wide < 600 ? 34 : 90;
  const stretchX = Math.min(1.7, (wide - 2 * room) / Math.max(1, right - left));
  const stretchY = Math.min(1.7, (high - 72) / Math.max(1, bottom - top));
  for (const node of nodes) {
    node.x = wide / 2 + (node.x - (left + right) / 2) * stretchX;
    node.y = high / 2 + (node.y - (top + bottom) / 2) * stretchY;
  }
}

function repel(nodes, ideal) {
  for (let a = 0; a < nodes.length; a += 1) {
    for (let b = a + 1; b < nodes.length; b += 1) {
      const x = (nodes[a].x - nodes[b].x) * 0.75;
      const y = nodes[a].y - nodes[b].y;
      const square = Math.max(25, x * x + y * y);
      const push = (ideal * ideal * 1.1) / square;
      const far = Math.sqrt(square);
      nodes[a].dx += (x / far) * push;
      nodes[a].dy += (y / far) * push;
      nodes[b].dx -= (x / far) * push;
      nodes[b].dy -= (y / far) * push;
    }
  }
}

function mark(node, onPick) {
  node.radius = node.type === 'host' || node.type === 'user' ? 14 : 11;
  const letter = LETTER[node.type] || '?';
  const group = s(`g.node.t-${node.type}`, null,
    s('circle', { r: node.radius }), s('text', { y: 3.6, 'text-anchor': 'middle' }, letter),
    s('title', null, `${node.type.replace('_', ' ')}: ${node.value}`));
  group.addEventListener('dblclick', () => onPick(node.first));
  node.name = shorten(node.type === 'process' ? node.value.split(' ')[0] : node.value, node.type === 'hash' || node.type === 'process' ? 18 : 26);
  const label = s('text.label', null, node.name);
  return { group, label };
}

// Each label takes the first place round its node where it covers neither a node nor another label.
function labels(nodes, marks, wide, high) {
  const taken = nodes.map((node) => [node.x - node.radius, node.y - node.radius, node.x + node.radius, node.y + node.radius]);
  // Hosts and users first: they are what the reader looks for.
  const main = (node) => node.type === 'host' || node.type === 'user';
  const order = nodes.map((_, at) => at).sort((a, b) => main(nodes[b]) - main(nodes[a]) || a - b);
  order.forEach((at) => {
    const node = nodes[at];
    const text = marks[at].label;
    const length = node.name.length * 6.5 + 4;
    const reach = node.radius + 4;
    const places = [
      [node.x + reach, node.y + 4, 'start'], [node.x - reach, node.y + 4, 'end'],
      [node.x, node.y + reach + 9, 'middle'], [node.x, node.y - reach - 2, 'middle'],
    ];
    const area = ([x, y, anchor]) => {
      const left = anchor === 'start' ? x : anchor === 'end' ? x - length : x - length / 2;
      return [left, y - 10, left + length, y + 3];
    };
    const fits = (each, all) => {
      const box = area(each);
      if (box[0] < 2 || box[2] > wide - 2 || box[1] < 0 || box[3] > high) return false;
      return !taken.some((other, number) => number !== at && (all || number >= nodes.length)
        && box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]);
    };
    const free = places.find((each) => fits(each, true)) || (main(node) && places.find((each) => fits(each, false)));
    const [x, y, anchor] = free || places[node.x > wide / 2 ? 1 : 0];
    text.setAttribute('x', x);
    text.setAttribute('y', y);
    text.setAttribute('text-anchor', anchor);
    text.classList.toggle('hid', !free);
    if (free) taken.push(area(free));
  });
}

function draggable(drawing, group, node, wide, high, place) {
  group.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    group.setPointerCapture(event.pointerId);
    const move = (now) => {
      const frame = drawing.getBoundingClientRect();
      node.x = Math.max(16, Math.min(wide - 16, ((now.clientX - frame.left) / frame.width) * wide));
      node.y = Math.max(16, Math.min(high - 16, ((now.clientY - frame.top) / frame.height) * high));
      place();
    };
    group.addEventListener('pointermove', move);
    group.addEventListener('pointerup', () => group.removeEventListener('pointermove', move), { once: true });
  });
}
