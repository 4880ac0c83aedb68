// The clients heard from and how they follow, sorted by any column.

import { byId, count, el, moment, say, strategy } from './dom.js';

/** So many are asked for, those heard from last; sorting chooses among them. */
export const LISTED = 1000;
/** More rows help nobody. */
const SHOWN = 200;

const VERDICTS = {
  followed: ['✓', 'followed', 'good'],
  recovered: ['↺', 'recovered', 'fair'],
  late: ['◷', 'late', 'fair'],
  lost_work: ['✗', 'lost work', 'bad'],
  not_heard_from: ['?', 'not heard from', 'quiet'],
};
const NONE = ['·', 'none yet', 'quiet'];
/** What needs looking at comes first. */
const GRAVITY = ['lost_work', 'late', 'not_heard_from', 'recovered', 'followed'];

/** Earlier verdicts beside the last one. */
const EARLIER = 8;

const who = (client) => client.user ?? client.session ?? client.token ?? '';

const COLUMNS = [
  { name: 'client', key: (c) => `${who(c)} ${c.user_agent}`, show: identity },
  { name: 'verdict', key: (c) => (GRAVITY.indexOf(c.verdict) + GRAVITY.length + 1) % (GRAVITY.length + 1), show: verdict },
  { name: 'strategy', key: (c) => c.strategy ?? '', show: (c) => strategy(c.strategy) },
  { name: 'reason', key: (c) => c.reason ?? '', show: (c) => el('span', { class: 'reason' }, c.reason ?? '–') },
  { name: 'requests', key: (c) => c.requests, isNumber: true },
  { name: '456s', key: (c) => c.rejected, isNumber: true, show: (c) => noted(c.rejected, cameBack(c)) },
  { name: 'queries', key: (c) => c.queries.begun, isNumber: true, show: (c) => noted(c.queries.begun, unfinished(c.queries)) },
  { name: 'errors', key: (c) => total(c.errors), isNumber: true, show: (c) => noted(total(c.errors), errors(c)) },
  { name: 'last heard', key: (c) => c.last_heard, isNumber: true, show: (c) => moment(c.last_heard) },
];

export class Clients {
  #clients = [];
  #by = COLUMNS.length - 1;
  #isDescending = true;
  #heads;

  constructor() {
    this.#heads = COLUMNS.map(({ name, isNumber }, index) => {
      const button = el('button', { type: 'button' }, name, el('span', { class: 'arrow', 'aria-hidden': 'true' }));
      button.addEventListener('click', () => this.#sort(index));
      return el('th', { scope: 'col', class: isNumber && 'number' }, button);
    });
    byId('clients').querySelector('thead tr').append(...this.#heads);
  }

  shown(isShown) {
    byId('clients').hidden = !isShown;
  }

  show({ clients, total: all, by_verdict: numbers }) {
    this.#clients = clients;
    this.#draw();
    const each = [...GRAVITY, 'none'].filter((word) => numbers[word] > 0).map((word) => {
      const [mark, words, kind] = VERDICTS[word] ?? NONE;
      return el('span', { class: kind }, el('span', { 'aria-hidden': 'true' }, ` ${mark} `), `${numbers[word]} ${words}`);
    });
    const rows = Math.min(SHOWN, clients.length);
    const rest = rows === all ? '' : `; ${rows} of the ${clients.length} heard from last are shown`;
    byId('clients-count').replaceChildren(count(all, 'client'), each.length > 0 ? ': ' : '', ...each, rest);
  }

  #sort(index) {
    // Numbers are looked at from the largest down, at first.
    this.#isDescending = index === this.#by ? !this.#isDescending : Boolean(COLUMNS[index].isNumber);
    this.#by = index;
    this.#draw();
  }

  #draw() {
    this.#heads.forEach((head, index) => {
      const isBy = index === this.#by;
      if (isBy) head.setAttribute('aria-sort', this.#isDescending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
      say(head.querySelector('.arrow'), isBy ? (this.#isDescending ? ' ▼' : ' ▲') : '');
    });
    const { key } = COLUMNS[this.#by];
    const sign = this.#isDescending ? -1 : 1;
    const sorted = this.#clients.toSorted((a, b) => sign * compare(key(a), key(b)));
    const rows = sorted.slice(0, SHOWN).map((client) => el('tr', {}, ...COLUMNS.map((column) => cell(column, client))));
    const none = el('tr', {}, el('td', { colspan: COLUMNS.length, class: 'quiet' }, 'none heard from yet'));
    byId('clients').querySelector('tbody').replaceChildren(...(rows.length > 0 ? rows : [none]));
  }
}

function cell({ key, show, isNumber }, client) {
  return el('td', { class: isNumber && 'number' }, show ? show(client) : String(key(client) || (isNumber ? 0 : '–')));
}

function compare(a, b) {
  return typeof a === 'number' ? a - b : a.localeCompare(b, undefined, { numeric: true });
}

/** Who it is, and below that by what and from where it calls. */
function identity({ user, session, token, user_agent: agent, peer }) {
  const [name, kind] = user ? [user, ''] : session ? [session, ' session'] : token ? [token, ' token'] : ['–', ''];
  return el('div', { class: 'identity' }, el('b', { title: name }, name), kind,
    el('span', { class: 'agent', title: agent }, agent || 'no user agent'), el('span', { class: 'note' }, `from ${peer}`));
}

function verdict({ verdict: word, verdicts = [] }) {
  const [mark, words, kind] = VERDICTS[word] ?? NONE;
  const last = el('b', { class: `verdict ${kind}` }, el('span', { 'aria-hidden': 'true' }, `${mark} `), words);
  const earlier = verdicts.slice(1, 1 + EARLIER).map((judged) => VERDICTS[judged.verdict] ?? NONE);
  if (earlier.length === 0) return last;
  const told = `before, the latest first: ${earlier.map(([, said]) => said).join(', ')}`;
  const marks = earlier.map(([sign, , look]) => el('span', { class: look }, sign));
  return el('div', {}, last, el('span', { class: 'note earlier', role: 'img', 'aria-label': told, title: told }, ...marks));
}

/** A number, and below it what there is to say of it. */
function noted(number, notes) {
  return el('div', {}, String(number), ...notes.filter(Boolean).map((note) => el('span', { class: 'note' }, note)));
}

/** What has become of the queries that it did not end. */
const unfinished = ({ open, abandoned }) => [open > 0 && `${open} open`, abandoned > 0 && `${abandoned} abandoned`];

const cameBack = ({ came_back: is }) => [is === null ? '' : is ? 'came back' : 'not back yet'];

const total = (errors) => Object.values(errors).reduce((sum, number) => sum + number, 0);

const errors = (client) => Object.entries(client.errors).map(([status, number]) => `${status} ${number}`);
