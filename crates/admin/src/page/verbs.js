// The commands. A button that does not fit says why, and asks back where work can be lost.

import { post } from './api.js';
import { byId, count, el, other, say } from './dom.js';

const VERBS = [
  {
    id: 'switch', label: (s) => `Switch to ${other(s.active)}`, fits: 'STABLE',
    hint: (s) => `announces ${other(s.active)}`, body: (s) => ({ to: other(s.active) }),
    ask: (s) => s.cutover === 'strict' && `Mode strict: at the cutover, whatever is of ${s.active} is refused with a 456, queries in the middle too. ${left(s, s.active)}`,
  },
  {
    id: 'cutover', label: () => 'Cut over', fits: 'ANNOUNCED', hint: (s) => `makes ${s.pending} active at once`,
    ask: (s) => s.cutover === 'strict'
      ? `Mode strict: whatever is of ${s.active} is refused with a 456 from now on, queries in the middle too. ${left(s, s.active)}`
      : `${s.pending} becomes active at once. Clients that have not been told yet are refused with a 456 when they begin a query on ${s.active}. ${left(s, s.active)}`,
  },
  {
    id: 'abort', label: () => 'Abort', fits: 'ANNOUNCED', hint: (s) => `withdraws ${s.pending}`,
    ask: (s) => s.cutover === 'strict'
      ? `Mode strict: whatever has adopted ${s.pending} is refused with a 456 from now on. ${left(s, s.pending)}`
      : `The announcement of ${s.pending} is withdrawn. Clients that have adopted it are refused with a 456 when they begin a query; what they have begun is drained. ${left(s, s.pending)}`,
  },
  { id: 'rollback', label: () => 'Roll back', fits: 'DRAINING', hint: (s) => `announces ${s.old} again` },
];

const left = (state, name) => `In flight on ${name}: ${count(state.queries[name], 'query', 'queries')}.`;

export class Verbs {
  hasCluster = false;
  #take;
  #state = null;
  #cluster = null;
  #isConnected = false;
  #busy = false;
  #buttons = new Map();

  /** `take` gets the state that a command has led to. */
  constructor(take) {
    this.#take = take;
    for (const verb of VERBS) this.#button(verb.id, () => this.#order(verb));
    this.#button('timer', () => this.#orderTimer());
    this.#button('cluster', () => this.#orderCluster());
  }

  show(state) {
    this.#state = state;
    this.#draw();
  }

  showCluster({ status }) {
    this.#cluster = status;
    this.#draw();
  }

  connected(isConnected) {
    this.#isConnected = isConnected;
    if (!isConnected) this.#cluster = null;
    this.#draw();
  }

  #button(id, press) {
    const button = el('button', { type: 'button', id: `do-${id}`, 'aria-describedby': `why-${id}` });
    const why = el('span', { id: `why-${id}`, class: 'why' });
    button.addEventListener('click', () => {
      // It stays in reach of the keyboard, to say why it doesn't fit.
      if (button.getAttribute('aria-disabled') === 'true') this.#say(`${button.textContent}: ${why.textContent}`, 'bad');
      else press();
    });
    const cell = el('div', {}, button, why);
    this.#buttons.set(id, { button, why, cell });
    byId('buttons').append(cell);
  }

  #set(id, label, reason, hint) {
    const { button, why } = this.#buttons.get(id);
    const unfit = this.#isConnected ? reason : 'no connection';
    say(button, label);
    button.setAttribute('aria-disabled', String(Boolean(unfit)));
    say(why, unfit || hint);
  }

  #draw() {
    const state = this.#state;
    if (state === null) return;
    for (const { id, label, fits, hint } of VERBS) {
      const unfit = state.phase !== fits && `only in phase ${fits}`;
      this.#set(id, label(state), unfit, unfit || hint(state));
    }
    const { every_seconds, paused } = state.timer;
    const none = every_seconds === null && 'no timer: --switch-every is 0';
    this.#set('timer', paused ? 'Resume timer' : 'Pause timer', none, paused ? 'goes on with what is left' : 'freezes what is left');
    this.#buttons.get('cluster').cell.hidden = !this.hasCluster;
    const isUp = this.#cluster === 'active';
    this.#set('cluster', isUp || !this.#cluster ? 'Suspend cluster' : 'Resume cluster',
      !this.#cluster && 'not known yet' || this.#cluster === 'resuming' && 'it is resuming already', `it is ${this.#cluster}`);
  }

  async #order({ id, label, body, ask }) {
    // What the operator has seen is what he means, however long he thinks.
    const seen = this.#state;
    const question = ask?.(seen);
    if (question && !(await confirmed(label(seen), question))) return;
    await this.#post(id, { ...body?.(seen), epoch: seen.epoch });
  }

  #orderTimer() {
    const { epoch, timer } = this.#state;
    return this.#post('timer', { action: timer.paused ? 'resume' : 'pause', epoch });
  }

  async #orderCluster() {
    const action = this.#cluster === 'active' ? 'suspend' : 'resume';
    const question = 'A suspended cluster refuses work until it is resumed, or wakes by a client.';
    if (action === 'suspend' && !(await confirmed('Suspend cluster', question))) return;
    await this.#post('cluster', { action });
  }

  async #post(path, body) {
    if (this.#busy) return;
    this.#busy = true;
    this.#say('…');
    try {
      const { done, state, status } = await post(`/api/v1/${path}`, body);
      if (state) this.#take(state);
      if (status) this.showCluster({ status });
      this.#say(`Done: ${done ?? `the cluster is ${status}`}`, 'good');
    } catch (failure) {
      this.#say(`${failure.status === 409 ? 'Refused' : 'Failed'}: ${failure.message}`, 'bad');
    } finally {
      this.#busy = false;
    }
  }

  #say(text, kind = '') {
    const outcome = byId('outcome');
    outcome.className = `outcome ${kind}`;
    say(outcome, text);
  }
}

/** Asks back; whoever presses Escape leaves it. */
function confirmed(label, question) {
  const dialog = byId('ask');
  say(byId('ask-title'), `${label}?`);
  say(byId('ask-text'), question);
  say(byId('ask-yes'), label);
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    byId('ask-yes').onclick = () => dialog.close('yes');
    byId('ask-no').onclick = () => dialog.close('no');
    dialog.onclose = () => resolve(dialog.returnValue === 'yes');
  });
}
