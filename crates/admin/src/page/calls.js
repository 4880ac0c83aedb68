// The last calls: a table that is filtered as one types, with the details of a call on click.

import { get } from './api.js';
import { byId, count, el, moment, say, strategy } from './dom.js';
import { shownMessages } from './messages.js';

const PATH = '/api/v1/calls';
/** So many are kept here, those that ended last. */
const KEPT = 1000;
/** More rows help nobody. */
const SHOWN = 100;

const milliseconds = (seconds) => (seconds * 1000).toFixed(1);
const who = (call) => call.user ?? call.session ?? call.peer;
const status = (call) => (call.outcome === 'rejected' ? '456' : call.status);

const COLUMNS = [
  { name: 'time', show: (c) => el('button', { type: 'button', class: 'plain', 'aria-expanded': 'false' }, moment(c.time)) },
  { name: 'method', show: (c) => c.method },
  { name: 'client', show: (c) => who(c) },
  { name: 'strategy', show: (c) => strategy(c.strategy) },
  { name: 'status', show: (c) => el('span', { class: c.outcome === 'ok' ? null : 'bad' }, status(c)) },
  { name: 'ms', show: (c) => milliseconds(c.seconds), isNumber: true },
  { name: 'notes', show: (c) => el('span', { class: 'reason' }, notes(c)) },
];

/** What else there is to say of a call. */
function notes({ notice, fault, outcome, message }) {
  const all = [notice && `told ${notice}`, fault && `fault ${fault}`, outcome === 'dropped' && 'dropped', outcome === 'error' && message];
  return all.filter(Boolean).join(', ') || '–';
}

/** What is typed, as a test of calls: all words must be there; `key=word` looks at one field only. `*` stands for anything. */
function wanted(text) {
  const pattern = (word, isWhole) => {
    const escaped = word.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*');
    return new RegExp(isWhole ? `^${escaped}$` : escaped, 'i');
  };
  const tests = text.split(/\s+/).filter(Boolean).map((word) => {
    const [, key, value] = /^(\w+)=(.*)$/.exec(word) ?? [];
    if (key === undefined) {
      const found = pattern(word, false);
      return (call) => found.test(call.text);
    }
    const found = pattern(value, true);
    return ({ call }) => found.test(String((key === 'status' && call.outcome === 'rejected' ? '456' : call[key]) ?? ''));
  });
  return (call) => tests.every((test) => test(call));
}

export class Calls {
  /** Newest first, each with its text. */
  #calls = [];
  #last = null;
  #total = 0;
  /** The call whose details are open. */
  #open = null;
  /** Its messages, once they have come. */
  #messages = null;

  constructor() {
    const heads = COLUMNS.map(({ name, isNumber }) => el('th', { scope: 'col', class: isNumber && 'number' }, name));
    byId('calls').querySelector('thead tr').append(...heads);
    byId('calls-filter').addEventListener('input', () => this.#draw());
    byId('calls').querySelector('tbody').addEventListener('click', ({ target }) => {
      const row = target.closest('tr[data-id]');
      if (row) this.#toggle(Number(row.dataset.id));
    });
  }

  /** Begins anew: it may be another teal than before. */
  shown(isShown) {
    [this.#calls, this.#last, this.#open, this.#messages] = [[], null, null, null];
    byId('calls').hidden = !isShown;
    this.#draw();
  }

  /** Asks for what has ended since the last time. */
  async ask() {
    const after = this.#last === null ? '' : `&after=${this.#last}`;
    let answer;
    try {
      answer = await get(`${PATH}?limit=${KEPT}${after}`);
    } catch (failure) {
      if (failure.code === 'not_here') byId('calls').hidden = true;
      throw failure;
    }
    // The last of many are wanted, not the next ones.
    if (after && answer.total > answer.calls.length) answer = await get(`${PATH}?limit=${KEPT}`);
    this.#last = answer.last;
    this.#total = answer.last;
    const known = this.#calls[0]?.call.id ?? 0;
    const news = answer.calls.filter(({ id }) => id > known).reverse();
    const text = (call) => [...Object.values(call).filter((value) => typeof value === 'string'), status(call), notes(call)].join(' ');
    this.#calls = [...news.map((call) => ({ call, text: text(call) })), ...this.#calls].slice(0, KEPT);
    if (news.length > 0 || known === 0) this.#draw();
  }

  #toggle(id) {
    this.#open = this.#open === id ? null : id;
    this.#messages = null;
    this.#draw();
    byId('calls').querySelector(`tr[data-id="${id}"] button`)?.focus();
    if (this.#open === id) this.#askFor(id);
  }

  /** Asks for the messages of a call, which the list does not have. */
  async #askFor(id) {
    let messages;
    try {
      ({ messages } = await get(`${PATH}/${id}`));
    } catch (failure) {
      messages = { request: [], response: [], note: failure.message };
    }
    if (this.#open !== id || !messages) return;
    this.#messages = messages;
    this.#draw();
  }

  #draw() {
    const matching = this.#calls.filter(wanted(byId('calls-filter').value.trim()));
    const focused = document.activeElement?.closest('#calls tr[data-id]')?.dataset.id;
    const rows = matching.slice(0, SHOWN).flatMap(({ call }) => this.#rows(call));
    const none = this.#calls.length > 0 ? 'none of them matches' : 'none has ended yet';
    const nothing = el('tr', {}, el('td', { colspan: COLUMNS.length, class: 'quiet' }, none));
    byId('calls').querySelector('tbody').replaceChildren(...(rows.length > 0 ? rows : [nothing]));
    if (focused) byId('calls').querySelector(`tr[data-id="${focused}"] button`)?.focus();
    const shown = Math.min(matching.length, SHOWN);
    const rest = this.#calls.length === 0 ? '' : `; ${matching.length} of the last ${this.#calls.length} match, ${shown} are shown`;
    say(byId('calls-count'), `${count(this.#total, 'call')} so far${rest}`);
  }

  #rows(call) {
    const cells = COLUMNS.map(({ show, isNumber }) => el('td', { class: isNumber && 'number' }, show(call)));
    const row = el('tr', { 'data-id': call.id, class: 'call' }, ...cells);
    if (call.id !== this.#open) return [row];
    row.querySelector('button').setAttribute('aria-expanded', 'true');
    return [row, el('tr', { class: 'details' }, el('td', { colspan: COLUMNS.length }, details(call), ...shownMessages(this.#messages)))];
  }
}

/** All there is to know of a call. */
function details(call) {
  const shown = ([, value]) => value !== null && value !== '';
  const facts = Object.entries(call).filter(shown).map(([name, value]) =>
    el('div', {}, el('dt', { class: 'quiet' }, name.replaceAll('_', ' ')), el('dd', {}, String(value))));
  return el('dl', { class: 'facts' }, ...facts);
}
