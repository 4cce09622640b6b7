/**
 * Long waits squeezed: a run that works for a second, sleeps for a day and works again would be two dots.
 *
 * Drawn time is real time, but for stretches in which nothing works; those are all of one small width, and say how long
 * they are.
 */
import type { Lane } from "./tree";

/** A lane, and whether it is only what stands around others: a loop works as long as what is in it. */
export type Worked = Pick<Lane, "spans"> & { around?: boolean };

export interface Squeezed {
  from: number;
  to: number;
  /** Its place in drawn time. */
  at: number;
  width: number;
}

export interface Warp {
  breaks: readonly Squeezed[];
  /** Real → drawn time. */
  to: (at: number) => number;
  /** Drawn → real time. */
  back: (drawn: number) => number;
}

export const STRAIGHT: Warp = { breaks: [], to: (at) => at, back: (at) => at };

const SHARE = 0.04;
const SHORTEST = 1_000;

/** When something works, as stretches that do not touch, in order; null: it still does. */
export type Busy = readonly (readonly [number, number | null])[];

export function works(lanes: Iterable<Worked>): Busy {
  const found: [number, number][] = [];
  for (const lane of lanes) {
    for (const stretch of lane.spans ?? []) {
      if (stretch.kind === "work" && !lane.around) found.push([stretch.start, stretch.end ?? Number.POSITIVE_INFINITY]);
    }
  }
  found.sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [from, to] of found) {
    const last = joined.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined.map(([from, to]) => [from, to === Number.POSITIVE_INFINITY ? null : to]);
}

export function warp(busy: Busy, from: number, to: number): Warp {
  const idle: [number, number][] = [];
  let at = from;
  for (const [start, end] of [...busy, [to, to] as const]) {
    if (start - at > 0) idle.push([at, Math.min(start, to)]);
    at = Math.max(at, end ?? to);
  }
  const working = to - from - idle.reduce((sum, [a, b]) => sum + b - a, 0);
  // Nothing but waiting: there is nothing to make room for.
  if (working <= 0) return STRAIGHT;
  const width = Math.max(SHORTEST / 10, working * SHARE);
  const long = idle.filter(([a, b]) => b - a > Math.max(SHORTEST, width * 2));
  if (long.length === 0) return STRAIGHT;
  return squeezed(long, width);
}

function squeezed(long: readonly [number, number][], width: number): Warp {
  const breaks: Squeezed[] = [];
  let saved = 0;
  for (const [a, b] of long) {
    breaks.push({ from: a, to: b, at: a - saved, width });
    saved += b - a - width;
  }
  const to = (at: number) => {
    let less = 0;
    for (const one of breaks) {
      if (at <= one.from) break;
      if (at < one.to) return one.at + ((at - one.from) / (one.to - one.from)) * one.width;
      less += one.to - one.from - one.width;
    }
    return at - less;
  };
  const back = (drawn: number) => {
    let more = 0;
    for (const one of breaks) {
      if (drawn <= one.at) break;
      if (drawn < one.at + one.width) return one.from + ((drawn - one.at) / one.width) * (one.to - one.from);
      more += one.to - one.from - one.width;
    }
    return drawn + more;
  };
  return { breaks, to, back };
}
