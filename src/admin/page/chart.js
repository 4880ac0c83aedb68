// The last minutes as a drawing: requests per second and queries in flight by colour, 456s, and marks.

import { STRATEGIES, byId, clock, count, el, moment, say, shape, svg } from './dom.js';
import { MARKS } from './events.js';

const LEFT = 40;
const RIGHT = 10;
/** From top to bottom: marks, requests per second with 456s, queries in flight, times. */
const REQUESTS = { top: 40, height: 110, title: 'requests/s' };
const QUERIES = { top: 178, height: 56, title: 'queries in flight' };
const HEIGHT = 258;

export class Chart {
  #events;
  #points = [];
  #drawn = [];

  constructor(events) {
    this.#events = events;
    byId('span').addEventListener('change', () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(byId('chart'));
    byId('chart').addEventListener('pointermove', (event) => this.#point(event.offsetX));
    byId('chart').addEventListener('pointerleave', () => this.#read(this.#points.at(-1)));
    const swatch = (name) => svg('svg', { viewBox: '0 0 28 10', class: 'swatch' }, svg('path', { d: 'M0 5H28', class: `line ${name}` }));
    byId('legend').append(
      ...STRATEGIES.map((name) => el('li', {}, swatch(name), ` ${shape(name)} ${name}`)),
      el('li', {}, svg('svg', { viewBox: '0 0 8 10', class: 'swatch bar' }, svg('rect', { class: 'rejected', x: 2, width: 4, height: 10 })), ' 456s'),
      ...MARKS.map(([, mark, words]) => el('li', {}, el('b', {}, mark), ` ${words}`)));
  }

  shown(isShown) {
    byId('series').hidden = !isShown;
  }

  show({ points }) {
    this.#points = points.map((point) => ({ ...point, at: Date.parse(point.time) }));
    this.#draw();
  }

  #draw() {
    const [box, seconds] = [byId('chart'), Number(byId('span').value)];
    const width = Math.floor(box.clientWidth);
    const points = this.#points.slice(-seconds);
    if (width < 50 || points.length === 0) return;
    const until = points.at(-1).at;
    const from = until - seconds * 1000;
    const x = (at) => LEFT + ((at - from) / (seconds * 1000)) * (width - LEFT - RIGHT);
    const marks = this.#events.marks(from);
    this.#drawn = points.map((point) => [x(point.at), point]);

    const drawing = svg('svg', { width, height: HEIGHT, role: 'img', 'aria-label': summary(points, marks, seconds) });
    drawing.append(...times(x, from, until, seconds, width));
    const highest = lane(drawing, REQUESTS, this.#drawn, width, (point) => point.requests, (point) => point.rejected);
    const bar = Math.min(6, Math.max(2, (width / seconds) * 0.8));
    for (const [at, { rejected }] of this.#drawn.filter(([, point]) => point.rejected > 0)) {
      const height = Math.max(4, (rejected / highest) * REQUESTS.height);
      drawing.append(svg('rect', { class: 'rejected', x: at - bar / 2, width: bar, y: REQUESTS.top + REQUESTS.height - height, height }));
    }
    lane(drawing, QUERIES, this.#drawn, width, (point) => point.queries, () => 0);
    for (const { at, mark, event } of marks) {
      // What has just happened is not over the edge.
      const place = Math.min(x(at), width - RIGHT);
      const line = svg('path', { class: `mark ${event.kind}`, d: `M${place} 20V${QUERIES.top + QUERIES.height}` });
      const sign = svg('text', { class: 'sign', x: place, y: 14, 'text-anchor': 'middle' }, mark);
      drawing.append(svg('g', {}, svg('title', {}, `${moment(event.time)} ${event.message}`), line, sign));
    }
    box.replaceChildren(drawing);
    this.#read(this.#points.at(-1));
  }

  #point(place) {
    const [first, ...rest] = this.#drawn;
    if (!first) return;
    const nearer = (a, b) => (Math.abs(b[0] - place) < Math.abs(a[0] - place) ? b : a);
    this.#read(rest.reduce(nearer, first)[1]);
  }

  /** A second in words. */
  #read(point) {
    if (!point) return;
    const { time, requests, queries, rejected } = point;
    const each = STRATEGIES.map((name) => `${name} ${requests[name]}/s, ${queries[name]} in flight`);
    say(byId('readout'), `${moment(time)}  ${each.join('; ')}; ${rejected} 456s`);
  }
}

/** Lines of both strategies over a scale from 0; what its top stands for. */
function lane(drawing, { top, height, title }, drawn, width, of, more) {
  const most = Math.max(...drawn.map(([, point]) => Math.max(of(point).blue, of(point).green, more(point))));
  const highest = round(most);
  const bottom = top + height;
  const y = (value) => bottom - (value / highest) * height;
  for (const value of [0, highest / 2, highest]) {
    drawing.append(svg('path', { class: 'grid', d: `M${LEFT} ${y(value)}H${width - RIGHT}` }));
    if (Number.isInteger(value)) drawing.append(svg('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value)));
  }
  drawing.append(svg('text', { x: LEFT, y: top - 8 }, title));
  for (const name of STRATEGIES) {
    const path = drawn.map(([x, point], index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y(of(point)[name]).toFixed(1)}`);
    drawing.append(svg('path', { class: `line ${name}`, d: path.join('') }));
  }
  return highest;
}

function times(x, from, until, seconds, width) {
  const step = seconds * (width < 500 ? 500 : 250);
  const labels = [];
  for (let at = until; at > from; at -= step) {
    const back = (until - at) / 1000;
    const anchor = back === 0 ? 'end' : 'middle';
    labels.push(svg('text', { x: x(at), y: HEIGHT - 6, 'text-anchor': anchor }, back === 0 ? 'now' : `−${clock(back)}`));
  }
  return labels;
}

/** The next round number: 2, 4, 10, 20, 40, 100 … */
function round(most) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [2, 4, 10].map((step) => step * ten).find((value) => value >= most);
}

const short = (value) => (value >= 10000 ? `${value / 1000}k` : String(value));

/** What the drawing shows, for those who can't see it. */
function summary(points, marks, seconds) {
  const last = points.at(-1);
  const each = STRATEGIES.map((name) => {
    const peak = Math.max(...points.map((point) => point.requests[name]));
    return `${name} ${last.requests[name]} requests per second now, ${peak} at most`;
  });
  const rejected = points.reduce((sum, point) => sum + point.rejected, 0);
  const happened = marks.map(({ words, at }) => `${words} at ${moment(at)}`).join(', ') || 'no switch';
  return `The last ${count(seconds / 60, 'minute')}: ${each.join('; ')}; ${rejected} 456s; ${happened}`;
}
