// The page around the incidents: head, list, search, tabs, theme, keys, print.

const state = { tab: 'incidents', chosen: 0, words: [] };
const app = document.getElementById('app');
const PRINTED = 15;
const PROSE = ['Reason', 'File'];

function head() {
  const search = h('input', { type: 'search', id: 'search', placeholder: 'Search incidents and findings', 'aria-label': 'Search', autocomplete: 'off', spellcheck: 'false' });
  search.addEventListener('input', () => {
    state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = matching();
    if (state.words.length && found.length && !found.includes(state.chosen)) [state.chosen] = found;
    render();
  });
  return h('header.top', null,
    h('div.brand', null, axe(), h('b', null, 'labrys'), h('span.muted', null, data.version)),
    h('div.search', null, search, h('kbd', null, '/')),
    h('div.actions', null,
      h('button', { type: 'button', onclick: theme, title: 'Light or dark' }, 'Theme'),
      h('button', { type: 'button', onclick: () => window.print() }, 'Print')));
}

function axe() {
  return s('svg.axe', { viewBox: '0 0 32 32', 'aria-hidden': 'true' },
    s('path', { d: 'M16 2v28', 'stroke-width': 2.4, fill: 'none' }),
    s('path', { d: 'M14.6 8C9 8.4 5.6 6.6 3.4 3.6c-1.6 5.2-1.6 11 0 16.200 2.200-3 5.600-4.800 11.200-4.400zM17.400 8c5.600.4 9-1.400 11.200-4.400 1.600 5.200 1.600 11 0 16.200-2.200-3-5.600-4.800-11.200-4.400z', stroke: 'none' }));
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
}

function hero() {
  const tiles = [
    ['Incidents', number(data.counts.incidents), severities()], ['Findings', number(data.counts.findings), `${number(data.counts.folded)} folded as noise`],
    ['Records read', number(data.counts.records), `from ${plural(data.counts.sources, 'source')}`],
    ['Unreadable', number(data.counts.unparsed), data.counts.unparsed ? 'unknown, not clean' : 'every record was read'],
  ];
  return h('div.hero', null,
    h('h1', null, data.case || 'Report'),
    h('p.muted', null, data.span[0] === null ? 'No record has a time.' : `Evidence from ${span(data.span[0], data.span[1])}`),
    h(`p.verdict${data.inconclusive ? '.warn' : ''}`, null, data.verdict),
    h('div.tiles', null, tiles.map(([name, value, note]) => h('div.tile', null, h('span', null, name), h('b', null, value), h('small', null, note)))));
}

function severities() {
  const parts = data.severities.map((count, at) => [count, at + 1]).filter(([count]) => count).reverse();
  return parts.length ? parts.map(([count, level]) => [h(`i.dot.b${level}`), `${count} ${SEVERITY[level].toLowerCase()} `]) : 'nothing to tell';
}

function tabs() {
  const names = [['incidents', `Incidents ${number(data.counts.incidents)}`], ['folded', `Folded noise ${number(data.foldedRules)}`], ['scan', 'Sources and limits']];
  return h('nav.tabs', { role: 'tablist' }, names.map(([id, name]) => h('button', {
    type: 'button', role: 'tab', 'aria-selected': state.tab === id ? 'true' : 'false', onclick: () => { state.tab = id; render(); },
  }, name)));
}

function matching() {
  const all = data.incidents.map((_, at) => at);
  if (!state.words.length) return all;
  return all.filter((at) => {
    const incident = unpack(data.incidents[at]);
    return state.words.every((word) => incident.text.includes(word)) || incident.findings.some((row) => state.words.every((word) => row.text.includes(word)));
  });
}

function list(found) {
  const items = found.map((at) => {
    const incident = data.incidents[at];
    return h(`button.item.l${incident.severity}`, { type: 'button', 'aria-current': at === state.chosen ? 'true' : null, onclick: () => choose(at, true) },
      h('span.rank', null, incident.rank), h('span.name', null, incident.title),
      h('span.meta', null, SEVERITY[incident.severity], ' · ', incident.start === null ? 'no time' : when(incident.start).slice(0, 16), ' · ', plural(incident.total, 'finding')),
      h('span.mini', { 'aria-hidden': 'true' }, data.tactics.map(([name]) => h(`i${incident.perTactic[name] ? `.b${incident.perTactic[name][1]}` : ''}`))));
  });
  const hidden = data.counts.incidents - data.incidents.length;
  return h('aside.list', { 'aria-label': 'Incidents' }, items.length ? items : h('p.muted', null, state.words.length ? 'Nothing matches the search.' : 'There is no incident.'),
    hidden > 0 && !state.words.length ? h('p.muted', null, `${plural(hidden, 'incident')} of lower rank not on this page.`) : null);
}

function choose(at, go) {
  state.chosen = at;
  history.replaceState(null, '', `#${data.incidents[at].rank}`);
  render();
  const view = document.getElementById('incident');
  if (go && view && matchMedia('(max-width: 900px)').matches) view.scrollIntoView({ behavior: 'smooth' });
}

function foldedView() {
  const words = state.words;
  const rows = data.folded.filter((row) => words.every((word) => `${row[0]} ${row[6]} ${row[7]}`.toLowerCase().includes(word)));
  const rest = data.foldedRules - data.folded.length;
  return h('section.panel', null, h('h2', null, 'Folded noise'),
    h('p.muted', null, 'Weak findings that no process, session, file or other strong tie connects to an incident. One line for each rule; every finding is in the machine-readable formats.'),
    grid(['Rule', 'Severity', 'Times', 'Hosts', 'First', 'Last'], rows.map(([title, severity, count, hosts, start, end, , author]) => [
      [title, author ? h('small', null, `Rule by ${author}`) : null], pill(severity), number(count), hosts ? number(hosts) : '–', when(start), when(end)])),
    rest > 0 ? h('p.muted', null, `and ${plural(rest, 'more rule')}.`) : null);
}

function grid(names, rows) {
  if (!rows.length) return h('p.muted', null, 'None.');
  return h('div.scroll', null, h('table.grid', null, h('thead', null, h('tr', null, names.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', null, rows.map((row) => h('tr', null, row.map((cell, at) => h(PROSE.includes(names[at]) ? 'td.text' : 'td', null, cell)))))));
}

function scanView() {
  const scan = data.scan;
  const more = (count, list_) => (count > list_.length ? h('p.muted', null, `and ${number(count - list_.length)} more.`) : null);
  return h('section.panel', null, h('h2', null, 'Sources and limits'),
    h('p.muted', null, 'What was read and what ran, and where this report cannot see: what could not be read is unknown, not clean.'),
    scan.omitted.map((text) => h('p', null, text)),
    h('h3', null, 'What could not be read'),
    grid(['Source', 'Offset', 'Reason', 'Times'], scan.problems.map(([source, offset, reason, count]) => [source, offset < 0 ? '–' : number(offset), reason, number(count)])), more(scan.problemCount, scan.problems),
    h('h3', null, 'Rules that were not loaded'),
    grid(['Rule', 'File', 'Reason'], scan.rejected.map(([path, title, reason, waiting]) => [title, path, [reason, waiting ? h('small', null, 'waits for values of yours') : null]])), more(scan.rejectedCount, scan.rejected),
    h('h3', null, 'What ran'),
    grid(['Detector', 'Rules', 'Findings'], scan.detectors.map(([id, rules, found]) => [id, rules ? number(rules) : '–', number(found)])),
    h('h3', null, 'Sources'),
    grid(['Source', 'Format', 'Size', 'Records', 'Unreadable'], scan.sources.map(([name, format, bytes, records, unparsed]) => [name, format || 'unknown', size(bytes), number(records), unparsed ? h('b.bad', null, number(unparsed)) : '0'])), more(scan.sourceCount, scan.sources),
    h('h3', null, 'Records by kind'), grid(['Kind', 'Records'], scan.shapes.map(([name, count]) => [name, number(count)])),
    scan.seconds.length ? h('p.muted', null, 'CPU seconds: ', scan.seconds.map(([name, value]) => `${name} ${value.toFixed(1)}`).join(', ')) : null,
    h('p.muted', null, data.notice));
}

function main() {
  if (state.tab === 'folded') return foldedView();
  if (state.tab === 'scan') return scanView();
  const found = matching();
  const incident = found.includes(state.chosen) ? data.incidents[state.chosen] : null;
  return h('div.columns', null, list(found), h('main', null, incident ? incidentView(incident, state.words)
    : h('section.panel.empty', null, h('h2', null, data.counts.incidents ? 'Nothing matches the search' : 'No incident'), h('p', null, data.verdict))));
}

const body = h('div.body');
app.append(head(), h('div.page', null, hero(), body));

function render() {
  body.replaceChildren(tabs(), main());
}

document.addEventListener('keydown', (event) => {
  const search = document.getElementById('search');
  if (event.key === 'Escape' && document.activeElement === search) {
    search.value = '';
    state.words = [];
    search.blur();
    render();
  }
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '/') {
    event.preventDefault();
    search.focus();
  }
  if ((event.key === 'j' || event.key === 'k') && state.tab === 'incidents') {
    const found = matching();
    const next = found[found.indexOf(state.chosen) + (event.key === 'j' ? 1 : -1)];
    if (next !== undefined) choose(next);
  }
});

// On paper there is no clicking: everything that matters is written out, one incident after the other.
const paper = document.getElementById('print');
function toPaper() {
  const incidents = data.incidents.slice(0, PRINTED);
  const rest = data.counts.incidents - incidents.length;
  paper.replaceChildren();
  append(paper, [
    h('div.printhead', null, axe(), h('b', null, `labrys ${data.version}`)), hero(),
    incidents.length > 1 ? h('ol.contents', null, incidents.map((incident) => h('li', null, pill(incident.severity), ' ', incident.title))) : null,
    incidents.map((incident) => incidentView(incident, [], true)),
    rest > 0 ? h('p.muted', null, `${plural(rest, 'more incident')} of lower rank not printed.`) : null,
    data.folded.length ? foldedView() : null, scanView(),
  ]);
}
window.addEventListener('beforeprint', toPaper);
window.addEventListener('afterprint', () => paper.replaceChildren());
if (location.hash === '#print') toPaper();

const asked = Number(location.hash.slice(1));
const at = data.incidents.findIndex((incident) => incident.rank === asked);
if (at >= 0) state.chosen = at;
render();
