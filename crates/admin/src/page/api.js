// Requests to the API, with the token where one is needed.

import { byId, say } from './dom.js';

const KEPT_AS = 'teal-token';

/** An answer that is no success; `status` 0 is none at all. */
export class Failure extends Error {
  constructor(status, message, code) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** How long an answer may take, but for the stream's. */
const WITHIN = 20000;

/** Asks; where a token is missing or not accepted, asks for one and tries again. */
export async function send(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEPT_AS);
    const headers = { ...options.headers, ...(token && { authorization: `Bearer ${token}` }) };
    let response;
    try {
      const signal = options.signal ?? AbortSignal.timeout(WITHIN);
      response = await fetch(path, { ...options, signal, headers, cache: 'no-store', redirect: 'error' });
    } catch (error) {
      throw new Failure(0, `no answer (${error.message})`);
    }
    if (response.ok) return response;
    if (response.status === 401) {
      await newToken(token);
      continue;
    }
    const { error } = await response.json().catch(() => ({}));
    throw new Failure(response.status, error?.message ?? `HTTP status ${response.status}`, error?.code);
  }
}

/** The JSON that a path has. */
export const get = async (path) => answer(await send(path));

/** The JSON that a command is answered with. */
export async function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  return answer(await send(path, { method: 'POST', headers, body: JSON.stringify(body) }));
}

/** Removes what is at a path. */
export const remove = async (path) => answer(await send(path, { method: 'DELETE' }));

async function answer(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new Failure(0, `the answer was cut (${error.message})`);
  }
}

let asking = null;

/** Asks for a token once, however many requests miss it. */
function newToken(refused) {
  // Another request has got a new one meanwhile.
  if (sessionStorage.getItem(KEPT_AS) !== refused) return Promise.resolve();
  asking ??= new Promise((resolve) => {
    const dialog = byId('token');
    const field = byId('token-value');
    say(byId('token-text'), refused ? 'The token was not accepted.' : 'This teal asks operators for a token. It is kept until the tab is closed.');
    field.value = '';
    // Without a token there is nothing to see: the dialog stays.
    const stay = (event) => event.preventDefault();
    dialog.addEventListener('cancel', stay);
    dialog.querySelector('form').onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEPT_AS, field.value);
      dialog.removeEventListener('cancel', stay);
      field.value = '';
      dialog.close();
      asking = null;
      resolve();
    };
    dialog.showModal();
    field.focus();
  });
  return asking;
}
