// The event stream, by fetch: EventSource can't show a token. It comes back by itself.

import { send } from './api.js';

/** The state comes once a second, and a sign of life every ten: silence for longer is a lost connection. */
const SILENCE = 15000;
const SHORTEST = 500;
const LONGEST = 10000;

/** Follows the stream for ever. `on.open()`, `on.event(kind, id, data)`, `on.lost(why)`. */
export class Stream {
  #on;
  #last = null;
  #wait = SHORTEST;
  #wake = () => {};

  constructor(on) {
    this.#on = on;
    addEventListener('online', () => this.retry());
  }

  /** Doesn't wait any longer before the next attempt. */
  retry() {
    this.#wait = SHORTEST;
    this.#wake();
  }

  async run() {
    for (;;) {
      try {
        await this.#follow();
        this.#on.lost('it was ended');
      } catch (error) {
        this.#on.lost(error.message);
      }
      // Many pages do not come back at the same moment.
      const wait = this.#wait * (0.75 + Math.random() / 2);
      this.#wait = Math.min(this.#wait * 2, LONGEST);
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, wait);
      });
    }
  }

  async #follow() {
    const stop = new AbortController();
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => stop.abort(new Error('nothing was heard any more')), SILENCE);
    };
    const headers = this.#last ? { 'last-event-id': this.#last } : {};
    try {
      // This asks for a token where one is needed, however long that takes.
      await this.#on.open();
      alive();
      const response = await send('/api/v1/events/stream?after=0', { headers, signal: stop.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        alive();
        this.#wait = SHORTEST;
        const blocks = (rest + value).split('\n\n');
        rest = blocks.pop();
        blocks.forEach((block) => this.#take(block));
      }
    } finally {
      clearTimeout(watchdog);
      stop.abort();
    }
  }

  #take(block) {
    let [kind, id] = ['message', null];
    const data = [];
    for (const line of block.split('\n')) {
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
      if (field === 'event') kind = value;
      else if (field === 'id') id = value;
      else if (field === 'data') data.push(value);
    }
    if (data.length === 0) return;
    this.#last = id ?? this.#last;
    this.#on.event(kind, id, JSON.parse(data.join('\n')));
  }
}
