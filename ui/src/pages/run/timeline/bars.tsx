/** What is drawn on one lane. Long waits are hatched, waits for the next attempt are thin. */
import type { CSSProperties } from "react";
import { type Tone, toneClass, toneOf } from "@/design/status";
import { span } from "@/format/text";
import css from "./timeline.module.css";
import type { Node, Stretch } from "./tree";

/** Real time → share of the width (0…1 is in sight). */
export type Place = (at: number) => number;

const WORDS: Record<string, string> = {
  work: "works",
  retry: "waits for the next attempt",
  sleep: "sleeps",
  event: "waits for an event",
  approval: "waits for a decision",
  child: "waits for the run that it called",
  person: "waits for a person",
};

export function Bars({ node, place, from, now }: { node: Node; place: Place; from: number; now: number }) {
  const spans = node.lane?.spans ?? [];
  // What was done before the run began was taken over by a fork: it has no time here.
  if (node.end !== null && node.end < from) return <span className={css.taken}>taken over</span>;
  if (node.children.length > 0 || spans.length === 0) {
    if (node.start === null) return null;
    return (
      <Bar
        kind="around"
        tone={toneOf(node.status)}
        from={node.start}
        to={node.end ?? now}
        place={place}
        title={node.status}
      />
    );
  }
  return spans.map((stretch) => (
    <Bar
      key={`${stretch.kind} ${stretch.start}`}
      kind={stretch.kind}
      tone={toneFor(node, stretch)}
      from={stretch.start}
      to={stretch.end ?? now}
      place={place}
      title={told(stretch, now)}
      past={node.lane?.past}
    />
  ));
}

function toneFor(node: Node, stretch: Stretch): Tone {
  if (stretch.error) return "bad";
  if (stretch.kind === "work")
    return stretch.end == null ? "busy" : toneOf(node.status === "failed" ? "failed" : doneAs(node));
  return stretch.kind === "person" ? "held" : "warn";
}

function doneAs(node: Node): string {
  return node.status === "waiting" || node.status === "running" ? "completed" : node.status;
}

function told(stretch: Stretch, now: number): string {
  const attempt = stretch.kind === "work" && (stretch.attempt ?? 0) > 1 ? `attempt ${stretch.attempt} ` : "";
  const failed = stretch.error ? ` – ${stretch.error}` : "";
  return `${attempt}${WORDS[stretch.kind] ?? stretch.kind}: ${span((stretch.end ?? now) - stretch.start)}${failed}`;
}

interface BarProps {
  kind: string;
  tone: Tone;
  from: number;
  to: number;
  place: Place;
  title: string;
  past?: boolean;
}

function Bar({ kind, tone, from, to, place, title, past }: BarProps) {
  const left = Math.max(0, place(from));
  const right = Math.min(1, place(to));
  if (right < 0 || left > 1) return null;
  const style: CSSProperties = {
    left: `min(${left * 100}%, calc(100% - 4px))`,
    width: `${Math.max(0, right - left) * 100}%`,
  };
  return (
    <span className={`${css.bar} ${css[kind] ?? ""} ${toneClass(tone)}`} style={style} title={title} data-past={past} />
  );
}
