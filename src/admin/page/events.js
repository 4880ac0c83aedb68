// What has happened: the list, newest first, and the marks of the chart.

import { byId, el, moment } from './dom.js';

/** Kept for the chart, and shown in the list. */
const KEPT = 2000;
const SHOWN = 60;

/** What kinds are called, and what marks them in the chart. */
const KINDS = {
  announced: ['announced', '▽', 'announcement'],
  cut_over: ['cutover', '▼', 'cutover'],
  aborted: ['aborted', '✕', 'abort'],
  drained: ['drained', '○', 'end of drain'],
  drain_timed_out: ['drain timed out', '⊗', 'drain timed out'],
  timer_paused: ['timer paused'],
  timer_resumed: ['timer resumed'],
  fault: ['fault'],
};

export const MARKS = Object.values(KINDS).filter(([, mark]) => mark);

export class Events {
  #events = [];
  #run = null;
  #isDue = false;

  constructor() {
    this.#draw();
  }

  add(id, event) {
    const run = id?.split('-')[0] ?? this.#run;
    // Another run of teal counts anew, and tells all of its own.
    if (run !== this.#run) this.#events = [];
    this.#run = run;
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#events.shift();
    this.#draw();
  }

  /** What is older than this run of teal is not its own. */
  startedAt(started) {
    const own = this.#events.filter(({ time }) => time >= started);
    if (own.length === this.#events.length) return;
    this.#events = own;
    this.#draw();
  }

  /** Events with a mark, from a moment (ms) on: `{at, mark, words, event}`. */
  marks(from) {
    return this.#events
      .map((event) => ({ at: Date.parse(event.time), mark: KINDS[event.kind]?.[1], words: KINDS[event.kind]?.[2], event }))
      .filter(({ at, mark }) => mark && at >= from);
  }

  /** Many at once are drawn once. */
  #draw() {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      const items = this.#events.slice(-SHOWN).reverse().map(item);
      byId('events').replaceChildren(...(items.length > 0 ? items : [el('li', { class: 'quiet' }, 'nothing yet')]));
    }, 50);
  }
}

function item({ id, time, kind, message, epoch }) {
  const [word, mark] = KINDS[kind] ?? [kind.replaceAll('_', ' ')];
  const sign = el('span', { class: 'sign', 'aria-hidden': 'true' }, mark ?? (kind === 'refused' ? '!' : '·'));
  return el('li', { value: id, class: kind },
    el('time', { datetime: time }, moment(time)), sign, el('b', {}, word), el('span', { class: 'message' }, message),
    el('span', { class: 'quiet' }, `epoch ${epoch}`));
}
