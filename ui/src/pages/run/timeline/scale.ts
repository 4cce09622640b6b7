/** Time on the width of the timeline: what is seen, zooming about a place, and ticks at round times. */
import { span } from "@/format/text";

export interface View {
  from: number;
  to: number;
}

const CLOSEST = 2;

/** Zoom about a place (0 is the left, 1 the right): a factor below 1 shows less. Never beyond the whole. */
export function zoomed(view: View, whole: View, factor: number, place: number): View {
  const width = Math.min(whole.to - whole.from, Math.max(CLOSEST, (view.to - view.from) * factor));
  const at = view.from + (view.to - view.from) * place;
  return within({ from: at - width * place, to: at + width * (1 - place) }, whole);
}

export function panned(view: View, whole: View, share: number): View {
  const by = (view.to - view.from) * share;
  return within({ from: view.from + by, to: view.to + by }, whole);
}

function within(view: View, whole: View): View {
  const width = view.to - view.from;
  if (width >= whole.to - whole.from) return whole;
  const from = Math.min(Math.max(view.from, whole.from), whole.to - width);
  return { from, to: from + width };
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1_440, 2_880, 10_080, 43_200].map((minutes) => minutes * 60_000),
);

/** At most so many ticks, as times since `zero`. */
export function ticks(view: View, zero: number, most: number): { at: number; label: string }[] {
  const wanted = (view.to - view.from) / Math.max(1, most);
  const step = STEPS.find((each) => each >= wanted) ?? wanted;
  const found = [];
  for (let at = Math.ceil((view.from - zero) / step) * step; zero + at <= view.to; at += step) {
    found.push({ at: zero + at, label: at === 0 ? "0" : span(at) });
  }
  return found;
}
