// The dashboard: what the stream says goes to the parts of the page that show it.

import { get } from './api.js';
import { Calls } from './calls.js';
import { Chart } from './chart.js';
import { Clients, LISTED } from './clients.js';
import { byId, moment, say } from './dom.js';
import { Events } from './events.js';
import { Faults } from './faults.js';
import { Instances } from './instances.js';
import { State } from './state.js';
import { Stream } from './stream.js';
import { Verbs } from './verbs.js';

const events = new Events();
const chart = new Chart(events);
const calls = new Calls();
const clients = new Clients();
const faults = new Faults(() => polls.faults.now());
const instances = new Instances();
const state = new State();
const verbs = new Verbs((seen) => take(seen));
const stream = new Stream({ open: opened, event: happened, lost });

/** Since when there is no connection. */
let gone = null;

async function opened() {
  // What this teal has: it may be another one than before.
  const { paths, info } = await get('/api/v1/openapi.json');
  say(byId('version'), info.version);
  const has = (path) => Object.hasOwn(paths, path);
  const now = await get('/api/v1/state').catch((failure) => {
    if (failure.code === 'not_here') return null;
    throw failure;
  });
  byId('no-switch').hidden = now !== null;
  for (const id of ['switch', 'verbs', 'flight']) byId(id).hidden = now === null;
  byId('instances').hidden = now?.instances === undefined;
  // Calls that are forwarded have no cluster here.
  verbs.hasCluster = now !== null && now.engines.length === 0 && has('/api/v1/cluster');
  chart.shown(has('/api/v1/series'));
  clients.shown(has('/api/v1/clients'));
  calls.shown(has('/api/v1/calls'));
  faults.shown(has('/api/v1/faults'));
  gone = null;
  document.body.classList.remove('gone');
  byId('retry').hidden = true;
  say(byId('link'), 'live');
  byId('link').className = 'link live';
  verbs.connected(true);
  if (now) take(now);
  Object.values(polls).forEach((poll) => poll.now());
}

function happened(kind, id, data) {
  if (kind === 'state') take(data);
  else events.add(id, data);
  if (kind === 'fault') polls.faults.now();
}

function take(now) {
  events.know(now);
  state.show(now);
  instances.show(now);
  verbs.show(now);
}

function lost(why) {
  gone ??= new Date();
  document.body.classList.add('gone');
  say(byId('link'), `connection lost, since ${moment(gone)}`);
  byId('link').className = 'link lost';
  byId('link').title = why;
  byId('retry').hidden = false;
  state.stop();
  verbs.connected(false);
}

/** Asks again and again while the page is seen, the more seldom the longer answers take. */
function poll(seconds, isShown, ask) {
  let [timer, isAsking, isDue] = [0, false, false];
  const now = async () => {
    clearTimeout(timer);
    // What is asked for meanwhile may be news that this answer misses.
    isDue = isAsking;
    if (isAsking) return;
    isAsking = true;
    const begun = performance.now();
    if (gone === null && isShown() && !document.hidden) await ask().catch(() => {});
    isAsking = false;
    timer = setTimeout(now, isDue ? 0 : Math.max(seconds * 1000, 10 * (performance.now() - begun)));
  };
  document.addEventListener('visibilitychange', now);
  return { now };
}

const isOpen = (id) => () => !byId(id).hidden;

const polls = {
  series: poll(2, isOpen('series'), async () => chart.show(await get('/api/v1/series'))),
  clients: poll(4, isOpen('clients'), async () => clients.show(await get(`/api/v1/clients?limit=${LISTED}`))),
  calls: poll(1, isOpen('calls'), () => calls.ask()),
  faults: poll(2, isOpen('faults'), async () => faults.show(await get('/api/v1/faults'))),
  cluster: poll(3, () => verbs.hasCluster, async () => verbs.showCluster(await get('/api/v1/cluster'))),
};

byId('retry').addEventListener('click', () => stream.retry());
stream.run();
