// The instances that share the switch: how far each of them is, and which one is waited for.

import { byId, count, el, say } from './dom.js';

const STAGES = { open: 'lets both strategies in', telling: 'tells clients', closing: 'done' };
const LINKS = {
  joining: ['…', 'joining', 'quiet'],
  live: ['✓', 'live', 'good'],
  cut_off: ['✗', 'lost: only calls about queries on record are let in', 'bad'],
  leaving: ['…', 'leaving', 'quiet'],
};

export class Instances {
  #key = '';

  /** Without etcd there is one instance, and nothing to show. */
  show({ instances = null, agreed, etcd, phase, pending, active }) {
    byId('instances').hidden = instances === null;
    byId('clients-of').hidden = instances === null;
    if (instances === null) return;
    const headed = pending ?? active;
    const together = phase === 'STABLE' ? '' : `: ${agreed.open} of ${agreed.of} let ${headed} in, ${agreed.telling} tell clients of it`;
    say(byId('instances-count'), `${agreed.of} live${together}`);
    const [mark, words, kind] = LINKS[etcd.state] ?? ['?', etcd.state, 'quiet'];
    const lag = etcd.lag_seconds >= 1 ? `, ${count(Math.round(etcd.lag_seconds), 'second')} behind` : '';
    const link = byId('etcd');
    link.className = kind;
    say(link, `${mark} etcd: ${words}${lag}`);
    const key = JSON.stringify(instances);
    if (key === this.#key) return;
    this.#key = key;
    byId('instances').querySelector('tbody').replaceChildren(...instances.map(row));
  }
}

function row({ name, id, version, admin, live, epoch, stage, quiet, requests, here, waited_for: isWaitedFor, differs }) {
  const [mark, words, kind] = status(live, here, isWaitedFor);
  const identity = el('th', { scope: 'row', title: id }, el('b', {}, name), here ? ' (this page)' : '', admin && el('span', { class: 'note' }, admin));
  return el('tr', { class: isWaitedFor ? 'waited' : null },
    identity,
    el('td', {}, el('b', { class: kind }, el('span', { 'aria-hidden': 'true' }, `${mark} `), words)),
    el('td', { class: 'number' }, String(epoch)),
    el('td', {}, stage, el('span', { class: 'note' }, quiet ? 'the old strategy is idle on it' : STAGES[stage])),
    el('td', { class: 'number' }, requests === null ? '–' : String(requests)),
    el('td', {}, version ?? '–', differs.length > 0 ? el('span', { class: 'note bad' }, `settings differ: ${differs.join(', ')}`) : ''));
}

function status(live, here, isWaitedFor) {
  if (!live) return ['✗', here ? 'has lost etcd' : 'gone', 'bad'];
  return isWaitedFor ? ['▸', 'waited for', 'fair'] : ['✓', 'live', 'good'];
}
