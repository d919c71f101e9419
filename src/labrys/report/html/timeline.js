// The timeline of an incident: one lane for each host, zoomable, drawn without any library.

const LANE = 34;
const MOST_LANES = 8;

function timeline(incident, onPick, width = 0) {
  const events = incident.findings
    .map((row, index) => ({ row, index, time: row.start, end: row.end ?? row.start, lane: laneOf(row) }))
    .filter((event) => event.time !== null);
  if (!events.length) return h('p.muted', null, 'None of these findings has a time.');
  const lanes = lanesOf(events);
  let [low, high] = bounds(events);
  const full = [low, high];
  const height = lanes.length * LANE + 34;
  const drawing = s('svg.timeline', { role: 'img', 'aria-label': `Timeline of ${plural(events.length, 'finding')}`, tabindex: 0 });
  const tip = h('div.tip', { hidden: true });
  const box = h('div.timebox', null, drawing, tip);

  function draw() {
    const wide = width || Math.max(280, box.clientWidth || 800);
    const left = Math.min(150, Math.max(76, ...lanes.map((lane) => 14 + 6.6 * shorten(lane, 20).length)));
    const right = wide - 18;
    const x = (time) => left + ((time - low) / (high - low)) * (right - left);
    drawing.replaceChildren();
    drawing.setAttribute('viewBox', `0 0 ${wide} ${height}`);
    drawing.setAttribute('height', height);
    drawing.setAttribute('width', wide);
    ticks(low, high, Math.max(2, Math.floor((right - left) / 110))).forEach(({ time, label, day }) => {
      drawing.append(s('line.grid', { x1: x(time), x2: x(time), y1: 4, y2: lanes.length * LANE + 6 }));
      drawing.append(s('text.tick', { x: x(time), y: lanes.length * LANE + 20, 'text-anchor': 'middle' }, label));
      if (day) drawing.append(s('text.tick.day', { x: Math.min(x(time), wide - 34), y: lanes.length * LANE + 32, 'text-anchor': 'middle' }, day));
    });
    lanes.forEach((lane, at) => {
      const y = at * LANE + LANE / 2 + 4;
      drawing.append(s('line.lane', { x1: left - 6, x2: right + 6, y1: y, y2: y }));
      drawing.append(s('text.lanename', { x: 0, y: y + 4 }, shorten(lane, 20), s('title', null, lane)));
    });
    marks(events, lanes, x, left, right).forEach((mark) => drawing.append(shape(mark, left, right)));
    zoomed.hidden = low === full[0] && high === full[1];
  }

  function shape(mark, left, right) {
    const y = lanes.indexOf(mark.lane) * LANE + LANE / 2 + 4;
    const many = mark.events.length;
    const worst = Math.max(...mark.events.map((event) => event.row.severity));
    const radius = many > 1 ? Math.min(13, 7 + Math.log2(many) * 1.6) : 5 + (worst >= 4 ? 1.5 : 0);
    const group = s(`g.mark.f${worst}`, null);
    if (mark.to - mark.at > 2 * radius) {
      const from = Math.max(left, mark.at);
      group.append(s('rect', { x: from, y: y - 3, width: Math.min(right, mark.to) - from, height: 6, rx: 3, opacity: 0.45 }));
    }
    group.append(s('circle', { cx: mark.at, cy: y, r: radius }));
    if (many > 1) group.append(s('text', { x: mark.at, y: y + 3.5, 'text-anchor': 'middle' }, many > 99 ? '99+' : many));
    group.addEventListener('mouseenter', () => show(mark, y));
    group.addEventListener('mouseleave', () => { tip.hidden = true; });
    group.addEventListener('click', () => onPick(mark.events[0].index));
    return group;
  }

  function show(mark, y) {
    const first = mark.events.slice(0, 6);
    tip.replaceChildren(...first.map((event) => h('div', null,
      h(`i.dot.b${event.row.severity}`), h('b', null, when(event.time, 'clock')), ` ${event.row.rule.title}`)));
    if (mark.events.length > first.length) tip.append(h('div.muted', null, `and ${mark.events.length - first.length} more`));
    tip.hidden = false;
    const wide = box.clientWidth;
    tip.style.left = `${Math.max(4, Math.min(mark.at + 12, wide - tip.offsetWidth - 4))}px`;
    tip.style.top = `${y + 18}px`;
  }

  function zoom(from, to) {
    const least = 1000;
    const middle = (from + to) / 2;
    const half = Math.max(least, to - from) / 2;
    low = Math.max(full[0], middle - half);
    high = Math.min(full[1], middle + half);
    draw();
  }

  function scale(factor, at = (low + high) / 2) {
    zoom(at - (at - low) * factor, at + (high - at) * factor);
  }

  const zoomed = h('button.small', { type: 'button', onclick: () => zoom(...full) }, 'Whole time');
  const tools = h('div.tools', null,
    h('span.muted', null, 'Drag to zoom, scroll with Ctrl'),
    h('button.small', { type: 'button', 'aria-label': 'Zoom in', onclick: () => scale(0.5) }, '+'),
    h('button.small', { type: 'button', 'aria-label': 'Zoom out', onclick: () => scale(2) }, '−'),
    zoomed);
  select(drawing, box, (from, to, wide) => {
    const left = Math.min(150, Math.max(76, ...lanes.map((lane) => 14 + 6.6 * shorten(lane, 20).length)));
    const time = (at) => low + ((at - left) / (wide - 18 - left)) * (high - low);
    zoom(time(from), time(to));
  });
  drawing.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    scale(event.deltaY > 0 ? 1.25 : 0.8);
  }, { passive: false });
  drawing.addEventListener('keydown', (event) => {
    const step = (high - low) / 5;
    const moves = { '+': () => scale(0.5), '-': () => scale(2), 0: () => zoom(...full), ArrowLeft: () => shift(-step), ArrowRight: () => shift(step) };
    if (!moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  });

  function shift(by) {
    const move = Math.max(full[0] - low, Math.min(full[1] - high, by));
    low += move;
    high += move;
    draw();
  }

  if (!width) new ResizeObserver(draw).observe(box);
  draw();
  return h('div', null, width ? null : tools, box);
}

function laneOf(row) {
  const host = row.entities.find((entity) => entity.type === 'host');
  if (host) return host.value;
  const other = row.entities.find((entity) => entity.telling);
  return other ? other.value : 'no host';
}

// Lanes in the order their first finding appears; the least busy ones share one.
function lanesOf(events) {
  const counts = new Map();
  for (const event of [...events].sort((a, b) => a.time - b.time)) {
    counts.set(event.lane, (counts.get(event.lane) || 0) + 1);
  }
  let lanes = [...counts.keys()];
  if (lanes.length > MOST_LANES) {
    const kept = new Set([...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST_LANES - 1).map(([lane]) => lane));
    lanes = [...lanes.filter((lane) => kept.has(lane)), 'other hosts'];
    for (const event of events) if (!kept.has(event.lane)) event.lane = 'other hosts';
  }
  return lanes;
}

function bounds(events) {
  const low = Math.min(...events.map((event) => event.time));
  const high = Math.max(...events.map((event) => event.end));
  const room = Math.max((high - low) * 0.03, 30000);
  return [low - room, high + room];
}

// Findings that would overlap on a lane are drawn as one mark with their number.
function marks(events, lanes, x, left, right) {
  const made = [];
  for (const lane of lanes) {
    let last = null;
    for (const event of events.filter((each) => each.lane === lane).sort((a, b) => a.time - b.time)) {
      const at = x(event.time);
      const to = x(event.end);
      if (to < left - 1 || at > right + 1) continue;
      if (last && at - last.at < (last.events.length > 1 ? 25 : 15)) {
        last.events.push(event);
        last.to = Math.max(last.to, to);
      } else {
        last = { lane, at: Math.max(left, at), to, events: [event] };
        made.push(last);
      }
    }
  }
  return made;
}

// Times at round numbers, so that the reader can read between them.
function ticks(low, high, most) {
  const steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000, 315360000];
  const step = 1000 * (steps.find((each) => (high - low) / (each * 1000) <= most) || 3153600000);
  const made = [];
  let shown = '';
  for (let time = Math.ceil(low / step) * step; time <= high; time += step) {
    const day = when(time, 'day');
    const label = step >= 86400000 ? day : when(time, 'clock').slice(0, step >= 60000 ? 5 : 8);
    made.push({ time, label, day: step < 86400000 && day !== shown ? day : '' });
    shown = day;
  }
  return made;
}

// Dragging over a drawing selects a stretch of it.
function select(drawing, box, done) {
  let begun = null;
  const shade = h('div.shade', { hidden: true });
  box.append(shade);
  const at = (event) => event.clientX - drawing.getBoundingClientRect().left;
  drawing.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || event.pointerType === 'touch') return;
    begun = at(event);
  });
  drawing.addEventListener('pointermove', (event) => {
    if (begun === null) return;
    const now = at(event);
    shade.hidden = Math.abs(now - begun) < 6;
    shade.style.left = `${Math.min(begun, now)}px`;
    shade.style.width = `${Math.abs(now - begun)}px`;
  });
  const end = (event) => {
    if (begun === null) return;
    const [from, to] = [Math.min(begun, at(event)), Math.max(begun, at(event))];
    begun = null;
    shade.hidden = true;
    if (to - from > 8) done(from, to, drawing.clientWidth || drawing.getBoundingClientRect().width);
  };
  drawing.addEventListener('pointerup', end);
  drawing.addEventListener('pointerleave', end);
}
