// The parts of the timeline's drawing: lanes over a scale, the strip of phases, the marks.

import { STRATEGIES, clock, moment, shape, svg } from './dom.js';

export const LEFT = 40;
export const RIGHT = 10;
/** From top to bottom: two rows of signs, the strip, the lanes, times. */
const SIGNS = { announced: 12, aborted: 12 };
const SIGN = 27;
const STRIP = { top: 32, height: 9 };
export const REQUESTS = { top: 80, height: 100, title: 'requests/s' };
export const REJECTED = { top: 206, height: 34, title: '456s/s' };
export const QUERIES = { top: 266, height: 50, title: 'queries in flight' };
const BOTTOM = QUERIES.top + QUERIES.height;
export const HEIGHT = BOTTOM + 22;

/** Who was active, and in which phase: spans of `{from, until, active, phase}`. */
export function strip(drawing, spans, x, width) {
  for (const { from, until, active, phase } of spans) {
    const place = { x: x(from), width: Math.max(1, x(until) - x(from)), y: STRIP.top };
    drawing.append(svg('rect', { ...place, class: `band ${phase}`, height: BOTTOM - STRIP.top }));
    drawing.append(svg('rect', { ...place, class: active, height: STRIP.height }));
  }
  // Told once where it becomes active, not by colour alone.
  const turns = spans.filter(({ active }, index) => active !== spans[index - 1]?.active);
  turns.forEach(({ from, active }, index) => {
    const [left, right] = [x(from), index + 1 < turns.length ? x(turns[index + 1].from) : width - RIGHT];
    const words = right - left > 60 ? `${shape(active)} ${active}` : shape(active);
    if (right - left > 12) drawing.append(svg('text', { class: active, x: left, y: STRIP.top + STRIP.height + 13 }, words));
  });
}

/** Lines of both strategies over a scale from 0. */
export function lines(drawing, lane, drawn, width, of) {
  const y = scale(drawing, lane, width, Math.max(...drawn.map(([, point]) => Math.max(of(point).blue, of(point).green))));
  for (const name of STRATEGIES) {
    const path = drawn.map(([x, point], index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y(of(point)[name]).toFixed(1)}`);
    drawing.append(svg('path', { class: `line ${name}`, d: path.join('') }));
  }
}

/** A bar for each second that has any. */
export function bars(drawing, lane, drawn, width, seconds, of) {
  const y = scale(drawing, lane, width, Math.max(...drawn.map(([, point]) => of(point))));
  const bar = Math.min(6, Math.max(2, ((width - LEFT - RIGHT) / seconds) * 0.8));
  for (const [x, point] of drawn.filter(([, point]) => of(point) > 0)) {
    const top = Math.min(y(of(point)), lane.top + lane.height - 3);
    drawing.append(svg('rect', { class: 'rejected', x: x - bar / 2, width: bar, y: top, height: lane.top + lane.height - top }));
  }
}

/** The grid of a lane; what a number's height is. */
function scale(drawing, { top, height, title }, width, most) {
  const highest = round(most);
  const y = (value) => top + height - (value / highest) * height;
  for (const value of [0, highest / 2, highest]) {
    drawing.append(svg('path', { class: 'grid', d: `M${LEFT} ${y(value)}H${width - RIGHT}` }));
    if (Number.isInteger(value)) drawing.append(svg('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value)));
  }
  drawing.append(svg('text', { class: 'name', x: LEFT, y: top - 7 }, title));
  return y;
}

/** What has happened, by a line and a sign. */
export function signs(drawing, marks, x, width) {
  for (const { at, mark, event } of marks) {
    // What has just happened is not over the edge.
    const place = Math.min(x(at), width - RIGHT);
    const line = svg('path', { class: `mark ${event.kind}`, d: `M${place} ${STRIP.top}V${BOTTOM}` });
    const sign = svg('text', { class: 'sign', x: place, y: SIGNS[event.kind] ?? SIGN, 'text-anchor': 'middle' }, mark);
    drawing.append(svg('g', {}, svg('title', {}, `${moment(event.time)} ${event.message}`), line, sign));
  }
}

/** The second that is being read. */
export function cursor(place) {
  return svg('path', { class: 'cursor', d: `M${place} ${STRIP.top}V${BOTTOM}` });
}

export function times(drawing, x, from, until, seconds, width) {
  const step = seconds * (width < 500 ? 500 : 250);
  for (let at = until; at > from; at -= step) {
    const back = (until - at) / 1000;
    const anchor = back === 0 ? 'end' : 'middle';
    drawing.append(svg('text', { x: x(at), y: HEIGHT - 5, 'text-anchor': anchor }, back === 0 ? 'now' : `−${clock(back)}`));
  }
}

/** The next round number: 2, 4, 6, 8, 10, 20, 40 … */
function round(most) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [2, 4, 6, 8, 10].map((step) => step * ten).find((value) => value >= most);
}

const short = (value) => (value >= 10000 ? `${value / 1000}k` : String(value));
