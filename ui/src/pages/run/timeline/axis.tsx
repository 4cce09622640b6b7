/** The times above the lanes, and what goes through all of them: ticks, squeezed waits, marks, now. */
import { fullTime, span } from "@/format/text";
import type { TimelineData } from "../queries";
import type { Place } from "./bars";
import { ticks, type View } from "./scale";
import css from "./timeline.module.css";
import type { Hands } from "./use-view";
import type { Warp } from "./warp";

const WORDS: Record<string, string> = {
  cancel: "cancelled",
  retry: "retried",
  paused: "paused",
  resumed: "resumed",
  migrated: "changed over",
};

interface AxisProps {
  view: View;
  line: Warp;
  zero: number;
  place: Place;
  now: number;
  data: TimelineData;
  drag: Hands["drag"];
}

export function Axis({ view, line, zero, place, data, drag }: AxisProps) {
  const inSight = (at: number) => place(at) >= 0 && place(at) <= 1;
  return (
    <div className={css.axis}>
      <span className={css.name}>Step</span>
      <span className={css.lane} data-axis {...drag}>
        {between(view, line)
          .flatMap((part) => ticks(part, zero, TICKS * share(part, view, line)))
          .filter(
            (tick) => place(tick.at) < 0.97 && !line.breaks.some((one) => isNear(place(tick.at), place(one.from))),
          )
          .map((tick) => (
            <span key={tick.at} className={css.tick} style={{ left: `${place(tick.at) * 100}%` }}>
              {tick.label}
            </span>
          ))}
        {line.breaks
          .filter((one) => inSight(one.from))
          .map((one) => (
            <span
              key={one.from}
              className={css.tick}
              style={{ left: `${place(one.from) * 100}%` }}
              title={`Nothing works for ${span(one.to - one.from)}`}
            >
              {span(one.to - one.from)}
            </span>
          ))}
        {data.marks
          .filter((mark) => inSight(mark.at))
          .map((mark) => (
            <span
              key={`${mark.at} ${mark.kind}`}
              className={css.mark}
              style={{ left: `${place(mark.at) * 100}%` }}
              title={`${WORDS[mark.kind] ?? mark.kind} ${mark.text} · ${fullTime(new Date(mark.at).toISOString())}`}
            >
              {WORDS[mark.kind] ?? mark.kind}
            </span>
          ))}
      </span>
    </div>
  );
}

const TICKS = 8;

/** The stretches of real time that are in sight and not squeezed. */
function between(view: View, line: Warp): View[] {
  const whole = { from: line.back(view.from), to: line.back(view.to) };
  const found: View[] = [];
  let from = whole.from;
  for (const one of line.breaks) {
    if (one.from > from && one.from < whole.to) found.push({ from, to: one.from });
    from = Math.max(from, one.to);
  }
  if (from < whole.to) found.push({ from, to: whole.to });
  return found;
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) < 0.06;
}

function share(part: View, view: View, line: Warp): number {
  return (line.to(part.to) - line.to(part.from)) / (view.to - view.from);
}

export function Lines({ line, place, now, data }: { line: Warp; place: Place; now: number; data: TimelineData }) {
  const inSight = (at: number) => place(at) >= 0 && place(at) <= 1;
  return (
    <span className={css.lines} aria-hidden>
      {line.breaks.map((one) => {
        const left = Math.max(0, place(one.from));
        const right = Math.min(1, place(one.to));
        if (right <= left) return null;
        return (
          <i
            key={one.from}
            className={css.squeezed}
            style={{ left: `${left * 100}%`, width: `${(right - left) * 100}%` }}
          />
        );
      })}
      {data.marks
        .filter((mark) => inSight(mark.at))
        .map((mark) => (
          <i key={`${mark.at} ${mark.kind}`} className={css.markLine} style={{ left: `${place(mark.at) * 100}%` }} />
        ))}
      {data.over === null && inSight(now) && <i className={css.now} style={{ left: `${place(now) * 100}%` }} />}
    </span>
  );
}
