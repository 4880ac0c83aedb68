// The messages of a call: content as JSON, rows of a result as a table. Nothing in them is taken for markup.

import { count, el } from './dom.js';

/** The messages of a call, each with its rows as a table and the rest as JSON. */
export function shownMessages(messages) {
  if (!messages) return [];
  const side = (name, all, leftOut) => [
    ...(all ?? []).flatMap((message) => shownMessage(name, message)),
    leftOut > 0 && el('p', { class: 'quiet' }, `${name}: ${leftOut} more`),
  ].filter(Boolean);
  return [
    ...side('request', messages.request, messages.request_left_out),
    ...side('response', messages.response, messages.response_left_out),
    messages.note && el('p', { class: 'quiet' }, `no messages: ${messages.note}`),
  ].filter(Boolean);
}

function shownMessage(name, { type, bytes, cut, content, problem, hex }) {
  const { resultBatch, resultBatches, ...rest } = content ?? {};
  const batches = [resultBatch ?? [], resultBatches ?? []].flat();
  // A service of others may have a field of that name.
  const isTable = (batch) => Array.isArray(batch?.rows) && batch.rows.every(Array.isArray);
  const [tables, raw] = [batches.filter(isTable), batches.filter((batch) => !isTable(batch))];
  if (raw.length > 0) rest.resultBatch = raw;
  const text = Object.keys(rest).length > 0 && JSON.stringify(rest, null, 2);
  return [
    el('p', { class: 'quiet' }, `${name}: ${type}, ${count(bytes, 'byte')}${cut ? ', cut' : ''}`),
    problem && el('p', { class: 'bad' }, problem),
    text && el('pre', { class: 'message' }, text),
    ...tables.map(rowsOf),
    hex && el('pre', { class: 'message' }, hex),
  ].filter(Boolean);
}

function rowsOf({ rows, row_count: all, columns }) {
  const cell = (value) => el('td', { class: value === null ? 'quiet' : null }, value ?? 'null');
  const head = Array.isArray(columns) && el('thead', {}, el('tr', {}, ...columns.map((column) => el('th', { scope: 'col' }, column))));
  const body = el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map(cell))));
  const more = all > rows.length ? `the first ${rows.length} of ${count(all, 'row')}` : count(all, 'row');
  return el('div', { class: 'rows' }, el('table', {}, el('caption', { class: 'quiet' }, more), head || '', body));
}
