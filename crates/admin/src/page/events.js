// What has happened: the list, newest first, and the marks of the chart.

import { byId, el, moment } from './dom.js';

/** Kept for the chart, and shown in the list. */
const KEPT = 2000;
const SHOWN = 60;

/** Transitions: what they are called, their mark, and what it stands for in the chart. */
const TRANSITIONS = {
  announced: ['announced', '▽', 'announcement'],
  cut_over: ['cutover', '▼', 'cutover'],
  aborted: ['aborted', '✕', 'abort'],
  drained: ['drained', '○', 'end of drain'],
  drain_timed_out: ['drain timed out', '⊗', 'drain timed out'],
};
/** What else is called otherwise than its kind, or has a mark in the list. */
const KINDS = {
  ...TRANSITIONS,
  refused: ['refused', '!'],
  reload_refused: ['reload refused', '!'],
  engine_left: ['engine left', '⊘'],
  reloaded: ['reloaded', '⟳'],
  timer_paused: ['timer paused', '‖'],
  timer_resumed: ['timer resumed', '▸'],
  fault: ['fault', '⚡'],
  instance_joined: ['instance joined', '+'],
  instance_gone: ['instance gone', '−'],
  agreed: ['agreed', '='],
  waiting: ['waiting', '…'],
  cut_off: ['cut off', '✗'],
  back: ['back', '✓'],
  restored: ['restored', '!'],
  etcd_silent: ['etcd silent', '!'],
  etcd_answers: ['etcd answers', '✓'],
  etcd_full: ['etcd full', '!'],
  etcd_has_room: ['etcd has room', '✓'],
  settings_differ: ['settings differ', '!'],
  same_name: ['same name', '!'],
};

export const MARKS = Object.values(TRANSITIONS);

export class Events {
  #events = [];
  #run = null;
  #active = null;
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

  /** The state that the events have led to. What is older than this run of teal is not its own. */
  know({ started, active }) {
    this.#active = active;
    const own = this.#events.filter(({ time }) => time >= started);
    if (own.length === this.#events.length) return;
    this.#events = own;
    this.#draw();
  }

  /** Events with a mark, from a moment (ms) on: `{at, mark, words, event}`. */
  marks(from) {
    return this.#transitions()
      .map((event) => ({ at: Date.parse(event.time), mark: KINDS[event.kind][1], words: KINDS[event.kind][2], event }))
      .filter(({ at }) => at >= from);
  }

  /** Who was active in which phase between two moments (ms), oldest first. */
  spans(from, until) {
    const turns = this.#transitions();
    const isActive = ({ kind, from: left, to }) => (kind === 'announced' ? left : to);
    const [first] = turns;
    const before = first ? (first.kind === 'cut_over' ? first.from : isActive(first)) : this.#active;
    const spans = [{ at: -Infinity, phase: 'STABLE', active: before }];
    spans.push(...turns.map((event) => ({ at: Date.parse(event.time), phase: event.phase, active: isActive(event) })));
    return spans
      .map(({ at, phase, active }, index) => ({ from: Math.max(from, at), until: Math.min(until, spans[index + 1]?.at ?? until), phase, active }))
      .filter((span) => span.until > span.from);
  }

  #transitions() {
    return this.#events.filter(({ kind }) => Object.hasOwn(TRANSITIONS, kind));
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

function item({ id, time, kind, message, epoch, by }) {
  const [word, mark] = KINDS[kind] ?? ['', '·'];
  const sign = el('span', { class: 'sign', 'aria-hidden': 'true' }, mark);
  return el('li', { value: id, class: kind },
    el('time', { datetime: time }, moment(time)), sign, el('b', {}, word || kind.replaceAll('_', ' ')), el('span', { class: 'message' }, message),
    el('span', { class: 'quiet' }, by ? `epoch ${epoch}, by ${by}` : `epoch ${epoch}`));
}
