// The last minutes as a drawing: who was active, requests, 456s and queries in flight by second, and marks.

import { STRATEGIES, byId, count, el, moment, say, shape, svg } from './dom.js';
import { MARKS } from './events.js';
import { HEIGHT, LEFT, QUERIES, REJECTED, REQUESTS, RIGHT, bars, cursor, lines, signs, strip, times } from './lanes.js';

/** On a narrow screen fewer seconds are enough. */
const NARROW = 500;
const KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

export class Chart {
  #events;
  #points = [];
  #drawn = [];
  /** The moment that is being read, by mouse or keys. */
  #pinned = null;

  constructor(events) {
    this.#events = events;
    const [box, span] = [byId('chart'), byId('span')];
    if (innerWidth < NARROW) span.value = '60';
    span.addEventListener('change', () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(box);
    box.addEventListener('pointermove', (event) => this.#pin(this.#nearest(event.clientX - box.getBoundingClientRect().left)));
    box.addEventListener('pointerleave', () => this.#pin(null));
    box.addEventListener('keydown', (event) => this.#step(event));
    box.addEventListener('blur', () => this.#pin(null));
    legend();
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
    strip(drawing, this.#events.spans(points[0].at, until), x, width);
    times(drawing, x, from, until, seconds, width);
    lines(drawing, REQUESTS, this.#drawn, width, (point) => point.requests);
    bars(drawing, REJECTED, this.#drawn, width, seconds, (point) => point.rejected);
    lines(drawing, QUERIES, this.#drawn, width, (point) => point.queries);
    signs(drawing, marks, x, width);
    box.replaceChildren(drawing);
    this.#read();
  }

  #nearest(place) {
    const nearer = (a, b) => (Math.abs(b[0] - place) < Math.abs(a[0] - place) ? b : a);
    return this.#drawn.length > 0 ? this.#drawn.reduce(nearer)[1].at : null;
  }

  #step(event) {
    const step = KEYS[event.key];
    if (event.key === 'Escape') this.#pin(null);
    if (step === undefined || this.#drawn.length === 0) return;
    event.preventDefault();
    const last = this.#drawn.length - 1;
    const now = this.#drawn.findIndex(([, { at }]) => at === this.#pinned);
    const next = Math.min(last, Math.max(0, (now < 0 ? last : now) + step));
    // Only what was asked for is read out.
    byId('readout').setAttribute('aria-live', 'polite');
    this.#pin(this.#drawn[next][1].at);
  }

  #pin(at) {
    this.#pinned = at;
    if (at === null) byId('readout').removeAttribute('aria-live');
    this.#read();
  }

  /** A second in words: the one that is pinned, else the last. */
  #read() {
    const pinned = this.#drawn.find(([, { at }]) => at === this.#pinned);
    const [place, point] = pinned ?? this.#drawn.at(-1) ?? [];
    const drawing = byId('chart').querySelector('svg');
    drawing?.querySelector('.cursor')?.remove();
    if (pinned) drawing.append(cursor(place));
    if (!point) return;
    const { time, requests, queries, rejected } = point;
    const each = STRATEGIES.map((name) => `${name} ${requests[name]}/s, ${queries[name]} in flight`);
    say(byId('readout'), `${moment(time)}  ${each.join('; ')}; ${count(rejected, '456')}`);
  }
}

function legend() {
  const swatch = (name) => svg('svg', { viewBox: '0 0 28 10', class: 'swatch' }, svg('path', { d: 'M0 5H28', class: `line ${name}` }));
  const box = (name) => svg('svg', { viewBox: '0 0 10 10', class: 'swatch box' }, svg('rect', { class: name, width: 10, height: 10 }));
  byId('legend').append(
    ...STRATEGIES.map((name) => el('li', {}, swatch(name), ` ${shape(name)} ${name}`)),
    el('li', {}, box('rejected'), ' 456s'),
    el('li', {}, box('band ANNOUNCED'), ' ANNOUNCED'),
    el('li', {}, box('band DRAINING'), ' DRAINING'),
    ...MARKS.map(([, mark, words]) => el('li', {}, el('b', {}, mark), ` ${words}`)));
}

/** What the drawing shows, for those who can't see it. */
function summary(points, marks, seconds) {
  const last = points.at(-1);
  const each = STRATEGIES.map((name) => {
    const peak = Math.max(...points.map((point) => point.requests[name]));
    return `${name} ${last.requests[name]} requests per second now, ${peak} at most`;
  });
  const rejected = points.reduce((sum, point) => sum + point.rejected, 0);
  const happened = marks.map(({ words, at }) => `${words} at ${moment(at)}`).join(', ') || 'no switch';
  return `The last ${count(seconds / 60, 'minute')}: ${each.join('; ')}; ${count(rejected, '456')}; ${happened}`;
}
