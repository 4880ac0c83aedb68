// Small helpers: elements, words for strategies, times.

export const byId = (id) => document.getElementById(id);

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children; nothing is taken for markup. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for a part of a drawing. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== '' && child !== null && child !== undefined));
  return element;
}

/** Sets a text only where it is another: what nobody changed stays quiet for screen readers. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const STRATEGIES = ['blue', 'green'];
export const other = (strategy) => (strategy === 'blue' ? 'green' : 'blue');

const SHAPES = { blue: '●', green: '◆' };

/** A strategy by word, shape and colour. */
export function strategy(name) {
  if (!SHAPES[name]) return el('span', {}, '–');
  return el('span', { class: `strategy ${name}` }, el('span', { 'aria-hidden': 'true' }, SHAPES[name]), ` ${name}`);
}

export const shape = (name) => SHAPES[name] ?? '○';

/** Seconds as a clock has them: 1:05, 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds - 0.05));
  const two = (number) => String(number).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A moment of today by its time, another one with its day. */
export function moment(time) {
  const at = new Date(time);
  const hour = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
  return at.toDateString() === new Date().toDateString() ? hour : `${at.toLocaleDateString()} ${hour}`;
}

/** 1 query, 2 queries. */
export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
