// Small tools to put elements on the page. Text only ever enters as text.

const data = JSON.parse(document.getElementById('data').textContent);
const SEVERITY = ['', 'Informational', 'Low', 'Medium', 'High', 'Critical'];
const SVG = 'http://www.w3.org/2000/svg';

// h('p.note', {title: 'x'}, 'text', child): an element with classes, attributes and children.
function h(selector, attributes, ...children) {
  const [tag, ...classes] = selector.split('.');
  return furnish(document.createElement(tag || 'div'), classes, attributes, children);
}

// The same for drawings.
function s(selector, attributes, ...children) {
  const [tag, ...classes] = selector.split('.');
  return furnish(document.createElementNS(SVG, tag), classes, attributes, children);
}

function furnish(element, classes, attributes, children) {
  if (classes.length) element.setAttribute('class', classes.join(' '));
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

function number(value) {
  return Number(value).toLocaleString('en-GB');
}

function plural(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function pad(value, width = 2) {
  return String(value).padStart(width, '0');
}

// Epoch milliseconds as text in UTC; evidence may hold years no Date can show.
function when(time, parts = 'both') {
  if (time === null || time === undefined) return 'no time';
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return 'no time';
  const day = `${pad(date.getUTCFullYear(), 4)}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`;
  const clock = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;
  if (parts === 'day') return day;
  return parts === 'clock' ? clock : `${day} ${clock}`;
}

function span(start, end) {
  if (start === null || start === undefined) return 'time unknown';
  if (end === null || end === undefined || end === start) return `${when(start)} UTC`;
  const same = when(start, 'day') === when(end, 'day');
  return `${when(start)} – ${same ? when(end, 'clock') : when(end)} UTC`;
}

function duration(milliseconds) {
  if (milliseconds >= 3600000 && milliseconds < 172800000) {
    const minutes = Math.floor(milliseconds / 60000);
    return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ''}`;
  }
  for (const [unit, name] of [[86400000, 'd'], [3600000, 'h'], [60000, 'min'], [1000, 's']]) {
    if (milliseconds >= unit) return `${Math.floor(milliseconds / unit)} ${name}`;
  }
  return `${milliseconds} ms`;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const step = Math.min(4, Math.floor(Math.log(bytes) / Math.log(1024)));
  return `${(bytes / 1024 ** step).toFixed(bytes < 10 * 1024 ** step ? 1 : 0)} ${'KMGT'[step - 1]}B`;
}

// The middle of long text left out: both ends of a path or an id say something.
function shorten(text, length) {
  if (text.length <= length) return text;
  const head = Math.ceil((length - 1) * 0.45);
  return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`;
}

function pill(severity) {
  return h(`span.pill.s${severity}`, null, SEVERITY[severity]);
}
