// Who is served, where the work is headed, and until when.

import { STRATEGIES, byId, clock, count, el, moment, other, say, shape, strategy } from './dom.js';

const PHASES = ['STABLE', 'ANNOUNCED', 'DRAINING'];
const DUE = ['announcement_seconds', 'cutover_seconds', 'drain_seconds'];

export class State {
  #state = null;
  #at = 0;
  #told = null;

  constructor() {
    setInterval(() => this.#count(), 250);
  }

  show(state) {
    this.#state = state;
    this.#at = performance.now();
    const { active, phase, epoch } = state;
    if (this.#told !== `${state.started} ${epoch}`) {
      const isFirst = this.#told === null;
      this.#told = `${state.started} ${epoch}`;
      byId('active').replaceChildren(strategy(active));
      say(byId('headline'), headline(state));
      // Readers of the screen hear of changes, not of what was there when the page came.
      if (!isFirst) say(byId('announcer'), `Phase ${phase}. ${headline(state)}`);
      document.title = `${shape(active)} ${active} ${phase} – teal`;
      for (const name of PHASES) {
        const step = byId(`step-${name}`);
        if (name === phase) step.setAttribute('aria-current', 'step');
        else step.removeAttribute('aria-current');
      }
    }
    say(byId('epoch'), String(epoch));
    say(byId('mode'), state.cutover === 'strict' ? 'strict: the old colour is refused at once' : 'drain: old queries run to their end');
    say(byId('abandoned'), count(state.abandoned, 'query', 'queries'));
    say(byId('started'), moment(state.started));
    this.#refusal(state.last_refusal);
    this.#flight(state);
    this.#engines(state.engines);
    this.#count();
  }

  /** Nothing is known any more of what the countdowns do. */
  stop() {
    this.#state = null;
    for (const name of PHASES) say(byId(`step-${name}`).querySelector('.due'), '?');
    say(byId('age'), '?');
  }

  #count() {
    if (this.#state === null) return;
    const { phase, phase_seconds, deadlines, timer } = this.#state;
    const passed = (performance.now() - this.#at) / 1000;
    PHASES.forEach((name, index) => {
      const seconds = deadlines[DUE[index]];
      const due = byId(`step-${name}`).querySelector('.due');
      say(due, seconds === null ? undue(name, phase, timer) : inTime(name, seconds - passed));
    });
    say(byId('age'), clock(phase_seconds + passed));
    say(byId('timer'), timerWords(timer, phase));
  }

  #refusal(last) {
    const box = byId('refusal');
    box.hidden = last === null;
    if (last) say(box, `An announcement did not begin at ${moment(last.time)}: ${last.reason}`);
  }

  #flight({ queries, requests }) {
    const most = Math.max(1, ...STRATEGIES.map((name) => queries[name]));
    for (const name of STRATEGIES) {
      const [head, number, calls] = byId(`flight-${name}`).children;
      if (head.childElementCount === 0) head.append(strategy(name));
      if (number.childElementCount === 0) number.append(el('b'), el('i', { class: name, 'aria-hidden': 'true' }));
      say(number.firstChild, String(queries[name]));
      number.lastChild.style.inlineSize = `${(queries[name] / most) * 60}%`;
      say(calls, String(requests[name]));
    }
  }

  #engines(engines) {
    const key = JSON.stringify(engines);
    const list = byId('engines');
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    const items = engines.map(({ strategies, url, healthy, problem, connections }) => {
      const [mark, word, kind] =
        healthy === null ? ['?', 'not checked yet', 'quiet'] : healthy ? ['✓', 'healthy', 'good'] : ['✗', 'unhealthy', 'bad'];
      const health = el('b', { class: kind }, el('span', { 'aria-hidden': 'true' }, `${mark} `), word);
      const names = strategies.flatMap((name) => [strategy(name), ' ']);
      const rest = `, ${count(connections, 'connection')}${problem ? `: ${problem}` : ''}`;
      return el('li', {}, ...names, el('code', {}, url), ' ', health, rest);
    });
    list.replaceChildren(...(items.length > 0 ? items : [el('li', {}, 'built in: it answers for both strategies')]));
  }
}

/** One sentence on the phase. */
function headline({ phase, active, pending, old }) {
  if (phase === 'ANNOUNCED') return `${pending} is announced; ${active} stays active until the cutover`;
  if (phase === 'DRAINING') return `${active} is active; what is left of ${old} runs to its end`;
  return `${active} is served; ${other(active)} is refused`;
}

/** A phase that clients end may end sooner; an unhealthy engine delays what is due. */
const inTime = (name, seconds) => (seconds > 0 ? `${name === 'STABLE' ? 'in' : 'within'} ${clock(seconds)}` : 'due now');

/** What stands where no time is due. */
function undue(name, phase, timer) {
  if (name !== phase) return '–';
  if (name !== 'STABLE') return 'no deadline';
  if (timer.every_seconds === null) return 'when ordered';
  return timer.paused ? 'paused' : 'when due';
}

function timerWords({ every_seconds, paused, left_seconds }, phase) {
  if (every_seconds === null) return 'off: switches when ordered';
  const every = `every ${clock(every_seconds)}`;
  if (paused) return `${every}, paused${left_seconds === null ? '' : ` with ${clock(left_seconds)} left`}`;
  return phase === 'STABLE' ? every : `${every}, waits for STABLE`;
}
