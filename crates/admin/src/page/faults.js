// The rules that make trouble on purpose: what they have hit, a form to add one, buttons to remove them.

import { post, remove } from './api.js';
import { byId, count, el, say } from './dom.js';

const PATH = '/api/v1/faults';
const SOURCES = { start: 'the settings', operator: 'an operator', scenario: 'the scenario' };

export class Faults {
  #rows = new Map();
  #changed;

  /** `changed` is called when there are other rules than before. */
  constructor(changed) {
    this.#changed = changed;
    byId('add-rule').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
    byId('clear-rules').addEventListener('click', () => this.#try(async () => {
      const { removed } = await remove(PATH);
      byId('rule').focus();
      return `${count(removed, 'rule')} removed`;
    }));
  }

  shown(isShown) {
    byId('faults').hidden = !isShown;
    if (!isShown) byId('faulty').hidden = true;
  }

  show({ faults }) {
    const ids = new Set(faults.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (!ids.has(id)) this.#drop(id, row);
    }
    // Rows stay what they are: whoever is on a button stays there.
    for (const fault of faults) {
      const { id, rule, source, matches, hits } = fault;
      const row = this.#rows.get(id) ?? this.#row(id);
      say(row.querySelector('code'), rule);
      say(row.querySelector('.note'), `${id}, from ${SOURCES[source] ?? source}; is about ${count(matches, 'call')} so far`);
      say(row.querySelector('.number'), String(hits));
    }
    const none = faults.length === 0;
    byId('rules').hidden = none;
    byId('no-rules').hidden = !none;
    byId('clear-rules').hidden = none;
    byId('faulty').hidden = none;
    const hits = faults.reduce((sum, fault) => sum + fault.hits, 0);
    say(byId('faulty-text'), `Trouble on purpose: ${count(faults.length, 'fault')} in force, ${count(hits, 'hit')} so far.`);
  }

  #row(id) {
    const button = el('button', { type: 'button', 'aria-label': `Remove ${id}` }, 'Remove');
    button.addEventListener('click', () => this.#try(async () => {
      await remove(`${PATH}/${encodeURIComponent(id)}`);
      return `${id} is removed`;
    }));
    const row = el('tr', {},
      el('th', { scope: 'row' }, el('code'), el('span', { class: 'note' })), el('td', { class: 'number' }), el('td', {}, button));
    byId('rules').querySelector('tbody').append(row);
    this.#rows.set(id, row);
    return row;
  }

  #drop(id, row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    if (row.contains(document.activeElement)) (next?.querySelector('button') ?? byId('rule')).focus();
    row.remove();
    this.#rows.delete(id);
  }

  #add() {
    const field = byId('rule');
    return this.#try(async () => {
      const { id } = await post(PATH, { rule: field.value });
      field.value = '';
      return `${id} is in force`;
    }, field);
  }

  /** Does what leads to other rules; where that fails, says why, beside the field that is to blame. */
  async #try(act, field = null) {
    let [words, kind] = ['', 'good'];
    try {
      words = `Done: ${await act()}`;
    } catch (failure) {
      [words, kind] = [`${failure.status >= 400 && failure.status < 500 ? 'Refused' : 'Failed'}: ${failure.message}`, 'bad'];
    }
    field?.setAttribute('aria-invalid', String(kind === 'bad'));
    const outcome = byId('rule-outcome');
    outcome.className = `outcome ${kind}`;
    say(outcome, words);
    this.#changed();
  }
}
