/** Figures of the window, and of now. Each is a link to what it counts. */
import { ArrowDown, ArrowUp } from "lucide-react";
import type { ReactNode } from "react";
import type { Shapes } from "@/api/client";
import { useFigures } from "@/app/figures";
import { address, Go } from "@/app/go";
import { type Tone, toneClass } from "@/design/status";
import { bytes, count, percent, span } from "@/format/text";
import css from "./overview.module.css";
import { ended } from "./window";

type Series = Shapes["Series"];

interface Figure {
  name: string;
  value: ReactNode;
  to: string;
  /** How it has changed against the window before. */
  change?: ReactNode;
  tone?: Tone;
  hint?: string;
}

export function Figures({ series }: { series: Series }) {
  return (
    <div className={css.panels}>
      <Panel title="Runs" figures={ofRuns(series)} />
      <Panel title="Now" figures={useNowFigures(series)} />
    </div>
  );
}

export function FiguresLoading() {
  return (
    <div className={css.stack} role="status" aria-label="Loading">
      <div className={css.bones} style={{ height: 186 }} />
      <div className={css.bones} style={{ height: 420 }} />
    </div>
  );
}

function Panel({ title, figures }: { title: string; figures: readonly Figure[] }) {
  return (
    <section className={css.panel} aria-label={title}>
      {figures.map(({ name, value, to, change, tone, hint }) => (
        <Go key={name} to={to} className={`${css.figure} ${tone ? toneClass(tone) : ""}`} title={hint}>
          <span className={css.name}>{name}</span>
          <span className={css.value} data-tone={tone}>
            {value}
          </span>
          <span className={css.change}>{change ?? "\u00a0"}</span>
        </Go>
      ))}
    </section>
  );
}

function ofRuns({ totals, before, since, until }: Series): Figure[] {
  const took = (value: number | null) => (value === null ? "–" : span(value));
  const timed = ended(since, until, "completed,failed");
  const durations = (["p50", "p95", "p99"] as const).map((share) => ({
    name: share,
    value: took(totals[share]),
    to: timed,
    change: <Change now={totals[share]} before={before[share]} worse="more" />,
    hint: `So long did ${share.slice(1)} % of the runs take at most`,
  }));
  return [
    {
      name: "started",
      value: count(totals.started),
      to: address("/runs", { since, until }),
      change: <Change now={totals.started} before={before.started} />,
    },
    {
      name: "completed",
      value: count(totals.completed),
      to: ended(since, until, "completed"),
      change: <Change now={totals.completed} before={before.completed} />,
    },
    {
      name: "failed",
      value: count(totals.failed),
      to: ended(since, until, "failed"),
      change: <Change now={totals.failed} before={before.failed} worse="more" />,
      ...(totals.failed > 0 ? { tone: "bad" as const } : {}),
    },
    {
      name: "cancelled",
      value: count(totals.cancelled),
      to: ended(since, until, "cancelled"),
      change: <Change now={totals.cancelled} before={before.cancelled} />,
    },
    {
      name: "success rate",
      value: totals.success_rate === null ? "–" : percent(totals.success_rate),
      to: ended(since, until, "completed,failed"),
      change: <Points now={totals.success_rate} before={before.success_rate} />,
    },
    ...durations,
  ];
}

/** What is under way now, and the machine. */
function useNowFigures(series: Series): Figure[] {
  const figures = useFigures().data;
  const samples = series.samples;
  const last = (values: readonly (number | null)[] | undefined) => values?.findLast((each) => each !== null) ?? null;
  const runs = figures?.runs ?? {};
  const underWay = (runs.running ?? 0) + (runs.pending ?? 0);
  const known = (value: number | null, words: (value: number) => string) => (value === null ? "–" : words(value));
  const free = last(samples?.disk_free);
  const size = last(samples?.disk_size);
  return [
    { name: "under way", value: count(underWay), to: "/runs?status=pending,running" },
    { name: "waiting", value: count(runs.waiting ?? 0), to: "/runs?status=waiting" },
    ofTriggers(figures?.triggers ?? {}),
    {
      name: "throughput",
      value: known(last(samples?.ends), (rate) => `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} /s`),
      to: address("/runs", { finished_since: "15m" }),
      hint: "Runs that ended a second, just now",
    },
    { name: "queue", value: count(figures?.queued ?? 0), to: "/events", hint: "Events that wait to be written" },
    { name: "CPU", value: known(last(samples?.cpu), (value) => `${Math.round(value)} %`), to: "/instances" },
    { name: "memory", value: known(last(samples?.memory), bytes), to: "/instances" },
    {
      name: "disk free",
      value: known(free, bytes),
      change: free !== null && size ? `of ${bytes(size)}` : undefined,
      to: "/instances",
      ...(free !== null && size && free / size < 0.1 ? { tone: "bad" as const } : {}),
    },
  ];
}

function ofTriggers(states: Record<string, number>): Figure {
  const { failed = 0, lagging = 0, armed = 0, arming = 0 } = states;
  const listening = armed + lagging;
  const others = [failed && `${failed} failed`, lagging && `${lagging} lagging`, arming && `${arming} arming`];
  return {
    name: "triggers listening",
    value: `${count(listening)} of ${count(listening + failed + arming)}`,
    to: failed ? "/triggers?state=failed" : "/triggers",
    change: others.filter(Boolean).join(", ") || undefined,
    ...(failed ? { tone: "bad" as const } : {}),
  };
}

function Change({ now, before, worse }: { now: number | null; before: number | null; worse?: "more" }) {
  if (now === null || before === null || before === 0 || now === before) return null;
  const more = now > before;
  const by = Math.abs(now / before - 1);
  const words = by >= 9.995 ? `${count(Math.round(now / before))} times` : `${Math.round(by * 100)} %`;
  if (by < 0.005) return null;
  return (
    <Arrow more={more} bad={worse === "more" && more}>
      {words}
    </Arrow>
  );
}

function Points({ now, before }: { now: number | null; before: number | null }) {
  if (now === null || before === null || Math.abs(now - before) < 0.0005) return null;
  return (
    <Arrow more={now > before} bad={now < before}>
      {Math.abs((now - before) * 100).toFixed(1)} points
    </Arrow>
  );
}

function Arrow({ more, bad, children }: { more: boolean; bad: boolean; children: ReactNode }) {
  const Icon = more ? ArrowUp : ArrowDown;
  return (
    <span className={bad ? css.worse : undefined} title="against the stretch of the same length before">
      <Icon aria-label={more ? "more by" : "less by"} /> {children}
    </span>
  );
}
