// One incident: its story, kill chain, timeline, graph, findings and next steps.

const CHAIN = {
  reconnaissance: 'Recon', 'resource-development': 'Tooling', 'initial-access': 'Entry', execution: 'Execute',
  persistence: 'Persist', 'privilege-escalation': 'Privilege', 'defense-evasion': 'Evasion', stealth: 'Stealth',
  'defense-impairment': 'Impair', 'credential-access': 'Creds', discovery: 'Discover', 'lateral-movement': 'Lateral',
  collection: 'Collect', 'command-and-control': 'Control', exfiltration: 'Exfil', impact: 'Impact',
};
const TACTIC = Object.fromEntries(data.tactics);
const titled = (name) => name.replaceAll('-', ' ').replace(/\b[a-z]/g, (letter) => letter.toUpperCase());

// The rows of the page's data with their names put back.
function unpack(incident) {
  if (incident.ready) return incident;
  incident.ready = true;
  incident.findings = incident.findings.map((row, index) => {
    const [rule, start, end, severity, confidence, entities, why, source, offset, record, records, reasons] = row;
    return {
      index, start, end, severity, confidence, why, offset, record, records, reasons,
      rule: data.rules[rule],
      source: source < 0 ? '' : data.sources[source],
      entities: entities.map((id) => ({ id, type: data.entities[id][0], value: data.entities[id][1], telling: data.entities[id][2] === 1 })),
    };
  });
  for (const row of incident.findings) {
    row.text = [row.rule.title, row.rule.uid, row.rule.author, row.why, row.source, row.record, row.rule.techniques.join(' '),
      ...row.entities.map((entity) => entity.value), ...row.reasons.map((reason) => `${reason[0]} ${reason[1]}`),
      ...Object.values(data.records[row.record] || {})].join('\n').toLowerCase();
  }
  incident.text = [incident.title, incident.summary, incident.uid, ...incident.techniques, ...incident.advice].join('\n').toLowerCase();
  return incident;
}

function incidentView(incident, words, printed = false) {
  unpack(incident);
  const table = findings(incident, words, printed);
  const pick = (index) => table.reveal(index);
  const wide = printed ? 700 : 0;
  const graph = entityGraph(incident, pick, wide);
  return h(`article.incident${incident.total > 2 ? '' : '.brief'}`, { id: printed ? null : 'incident', tabindex: printed ? null : -1 },
    h('header', null,
      h('div.kicker', null, pill(incident.severity), h('span', null, `Incident ${incident.rank}`), h('span.muted', null, span(incident.start, incident.end)),
        incident.end > incident.start ? h('span.muted', null, `over ${duration(incident.end - incident.start)}`) : null),
      h('h2', null, incident.title),
      h('div.facts', null,
        fact('Score', incident.score.toFixed(0), 'of 100: severity, breadth over the kill chain, rarity and confidence'),
        fact('Likelihood', `${incident.confidence} %`, 'that it is an attack: judged on made-up weeks with attacks in them, between 20 and 80 % rather more'), counted('Finding', incident.total),
        counted('Rule', incident.rules),
        counted('Host', new Set(incident.findings.flatMap((row) => row.entities.filter((e) => e.type === 'host').map((e) => e.value))).size))),
    h('p.story', null, incident.summary),
    section('Kill chain', chain(incident)),
    section('What to do next', steps(incident)),
    incident.findings.length > 1 ? section('Timeline', timeline(incident, pick, wide)) : null,
    graph ? section('Who and what', graph) : null,
    section('Findings, and why each belongs', table.element),
    h('p.uid', null, `Incident ${incident.uid}`));
}

function section(title, ...children) {
  return h('section', null, h('h3', null, title), children);
}

function fact(name, value, note) {
  return h('div.fact', { title: note }, h('b', null, value), h('span', null, name));
}

function counted(noun, count) {
  return fact(count === 1 ? noun : `${noun}s`, number(count));
}

function chain(incident) {
  return h('ol.chain', null, data.tactics.map(([name, full]) => {
    const [count, worst] = incident.perTactic[name] || [0, 0];
    return h(`li${count ? `.hit.b${worst}` : ''}`, { title: count ? `${full}: ${plural(count, 'finding')}` : `${full}: nothing seen` },
      h('i'), h('span', null, CHAIN[name] || full), h('em', null, count ? number(count) : ''));
  }));
}

function steps(incident) {
  if (!incident.advice.length) return h('p.muted', null, 'No step is known for this.');
  return h('ol.steps', null, incident.advice.map((step) => h('li', null, step)));
}

// One line for each rule, its first finding; the others come out of it. A search shows what matches.
function findings(incident, words, printed) {
  const rows = incident.findings;
  const shown = words.length ? rows.filter((row) => words.every((word) => row.text.includes(word))) : rows;
  const used = words.length && !shown.length ? rows : shown;
  const body = h('tbody');
  const entries = new Map();
  const folded = new Map();
  const alike = new Map();
  for (const row of used) {
    const key = words.length ? row : `${row.rule.uid}\n${row.rule.title}`;
    if (!alike.has(key)) alike.set(key, []);
    alike.get(key).push(row);
  }
  for (const group of alike.values()) {
    const [first, ...rest] = group;
    const more = rest.length ? h(printed ? 'small' : 'button.small', { 'aria-expanded': 'false' }, `${number(rest.length)} more of this rule`) : null;
    const unfold = () => {
      if (!rest.length || entries.has(rest[0].index)) return;
      let last = entries.get(first.index);
      for (const row of rest) {
        (last.detail || last.line).after(place(row, null));
        last = entries.get(row.index);
      }
      more.remove();
    };
    if (more && !printed) more.addEventListener('click', (event) => { event.stopPropagation(); unfold(); });
    body.append(place(first, more));
    for (const row of rest) folded.set(row.index, unfold);
  }
  function place(row, more) {
    const entry = { row, line: findingRow(row, () => toggle(row), more), detail: null };
    entries.set(row.index, entry);
    if (!printed) entry.line.addEventListener('keydown', (event) => {
      if (event.target !== entry.line || (event.key !== 'Enter' && event.key !== ' ')) return;
      event.preventDefault();
      toggle(row);
    });
    return entry.line;
  }
  function toggle(row, on) {
    const entry = entries.get(row.index);
    const show = on === undefined ? !entry.detail : on;
    if (show && !entry.detail) {
      entry.detail = h('tr.detail', null, h('td', { colspan: 4 }, details(row)));
      entry.line.after(entry.detail);
    } else if (!show && entry.detail) {
      entry.detail.remove();
      entry.detail = null;
    }
    entry.line.setAttribute('aria-expanded', show);
  }
  function reveal(index) {
    if (!entries.has(index) && folded.has(index)) folded.get(index)();
    const entry = entries.get(index);
    if (!entry) return;
    toggle(entry.row, true);
    entry.line.scrollIntoView({ block: 'center', behavior: 'smooth' });
    entry.line.classList.add('flash');
    setTimeout(() => entry.line.classList.remove('flash'), 1600);
  }
  const notes = [];
  if (rows.length < incident.total) notes.push(`Showing ${number(rows.length)} of ${number(incident.total)} findings: some of every rule, worst rules first.`);
  if (words.length && shown.length) notes.push(`${number(shown.length)} of ${number(rows.length)} match the search.`);
  const element = h('div', null, notes.length ? h('p.muted', null, notes.join(' ')) : null,
    h('table.findings', null, h('thead', null, h('tr', null, ['Time (UTC)', 'Finding', 'Why it belongs', 'Evidence'].map((name) => h('th', { scope: 'col' }, name)))), body));
  return { element, reveal };
}

function findingRow(row, onToggle, more) {
  const chips = row.entities.slice(0, 6).map((entity) => h(`span.chip.t-${entity.type}`, { title: `${entity.type.replace('_', ' ')}: ${entity.value}` }, shorten(entity.value, 34)));
  if (row.entities.length > 6) chips.push(h('span.chip', null, `+${row.entities.length - 6}`));
  return h('tr.finding', { tabindex: 0, 'aria-expanded': 'false', onclick: onToggle },
    h('td.time', null, row.start === null ? 'no time' : [h('span', null, when(row.start, 'day')), ' ', h('b', null, when(row.start, 'clock'))],
      row.end !== null ? h('small', null, `for ${duration(row.end - row.start)}`) : null),
    h('td', null, h('div.title', null, h(`i.dot.b${row.severity}`, { title: SEVERITY[row.severity] }), row.rule.title),
      matched(row), row.rule.author ? h('small', null, `Rule by ${row.rule.author}`) : null, h('div.chips', null, chips, more)),
    h('td.why', null, row.why),
    h('td.evidence', { title: row.source || null }, row.source ? pointer(row) : 'none'));
}

// What the record says where the rule looked: the two longest values, in the rule's order.
function matched(row) {
  const given = row.reasons.filter(([name, value]) => name && value);
  const telling = [...given].sort((a, b) => b[1].length - a[1].length).slice(0, 2);
  return given.filter((reason) => telling.includes(reason)).map(([name, value]) => h('code.matched', null, h('span', null, `${name}: `), shorten(value, 160)));
}

// Where a record is: the file first, because that is what people look for.
function pointer(row) {
  const parts = row.source.split(/[\\/]/);
  const name = parts.pop() || row.source;
  const folder = parts.join('/');
  return [h('span', null, shorten(name, 40)), h('small', null, `at ${number(row.offset)}${row.records > 1 ? `, ${plural(row.records, 'record')}` : ''}`),
    folder ? h('small', null, `in ${shorten(folder, 40)}`) : null];
}

function details(row) {
  const record = data.records[row.record];
  const terms = [
    ['Severity', SEVERITY[row.severity]], ['Confidence', row.confidence === null ? '' : `${row.confidence} of 100`],
    ['Detector', row.rule.detector], ['Rule', row.rule.uid], ['Author', row.rule.author], ['Log', row.rule.shape],
    ['Tactics', row.rule.tactics.map((name) => TACTIC[name] || titled(name)).join(', ')],
    ['Techniques', row.rule.techniques.map((uid) => (data.techniques[uid] ? `${uid} ${data.techniques[uid]}` : uid)).join(', ')],
    ['Advice', row.rule.advice], ['Source', row.source], ['Offset', row.offset === null ? '' : number(row.offset)], ['Record', row.record],
  ];
  return h('div.details', null,
    h('div', null, h('h4', null, 'Finding'), terms_(terms),
      row.reasons.length ? [h('h4', null, 'What matched'), terms_(row.reasons.map(([name, value, weight]) => [name, weight === null ? value : `${value} (${Number(weight).toFixed(2)})`]))] : null),
    h('div', null, h('h4', null, 'Entities'), terms_(row.entities.map((entity) => [entity.type.replace('_', ' '), entity.value])),
      record ? [h('h4', null, 'Record'), terms_(Object.entries(record))] : null));
}

function terms_(pairs) {
  return h('dl', null, pairs.filter(([, value]) => value !== '' && value !== null).map(([name, value]) => [h('dt', null, name), h('dd', null, value)]));
}
