/** Charts of the window. They share their cursor; dragging in one zooms all. */
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Shapes } from "@/api/client";
import { place } from "@/app/go";
import { Chart, type ChartProps, type Line, type Value } from "@/design/chart";
import { bytes, count, span } from "@/format/text";
import css from "./overview.module.css";
import { ended, iso } from "./window";

type Series = Shapes["Series"];
type Samples = Shapes["Samples"];

const STATUSES = ["failed", "completed", "cancelled"] as const;
const round = (value: number) => count(Math.round(value * 10) / 10);
const share = (value: number) => `${Math.round(value)} %`;

export function Charts({
  series,
  zoom,
  back,
}: {
  series: Series;
  zoom: (from: number, to: number) => void;
  back: () => void;
}) {
  const navigate = useNavigate();
  const { times, step, samples } = series;
  const open = (to: string) => void navigate(place(to) as never);
  const pick = (point: number, status?: string) => {
    const from = times[point];
    if (from !== undefined) open(ended(iso(from), iso(from + step), status));
  };
  const lines = useMemo(() => ofRuns(series), [series]);
  const common = { times, step, onZoom: zoom, onBack: back, leads: "runs" };
  return (
    <div className={css.charts}>
      <Chart
        {...common}
        title="Runs that ended"
        kind="bars"
        lines={lines.runs}
        format={round}
        onPick={(point, line) => pick(point, line === null ? undefined : STATUSES[line])}
      />
      <Chart
        {...common}
        title="Duration"
        kind="lines"
        lines={lines.durations}
        format={span}
        onPick={(point) => pick(point, "completed,failed")}
      />
      {samples && <OfSamples samples={samples} zoom={zoom} back={back} open={open} />}
    </div>
  );
}

function OfSamples({
  samples,
  zoom,
  back,
  open,
}: {
  samples: Samples;
  zoom: (from: number, to: number) => void;
  back: () => void;
  open: (to: string) => void;
}) {
  const { times, step } = samples;
  const common = { times, step, kind: "lines" as const, onZoom: zoom, onBack: back };
  const charts = useMemo(() => chartsOf(samples), [samples]);
  const pick = (point: number) => {
    const from = times[point];
    if (from !== undefined) open(ended(iso(from), iso(from + step)));
  };
  return charts.map((chart) => (
    <Chart
      key={chart.title}
      {...common}
      {...chart}
      {...(chart.title === "Throughput" ? { onPick: pick, leads: "runs" } : {})}
    />
  ));
}

function ofRuns(series: Series): { runs: Line[]; durations: Line[] } {
  const { totals } = series;
  const tones = { failed: "bad", completed: "good", cancelled: "idle" } as const;
  const shares = [
    ["p50", "good"],
    ["p95", "warn"],
    ["p99", "bad"],
  ] as const;
  return {
    runs: STATUSES.map((name) => ({ name, tone: tones[name], values: series[name], sum: count(totals[name]) })),
    durations: shares.map(([name, tone]) => ({
      name,
      tone,
      values: series[name],
      ...(totals[name] === null ? {} : { sum: span(totals[name]) }),
    })),
  };
}

type SampleChart = Pick<ChartProps, "title" | "lines" | "format" | "most">;

function chartsOf(samples: Samples): SampleChart[] {
  const line = (name: string, tone: Line["tone"], values: readonly Value[], words: (value: number) => string): Line => {
    const last = values.findLast((each) => each !== null);
    return { name, tone, values, ...(last === undefined || last === null ? {} : { sum: words(last) }) };
  };
  const rate = (value: number) => `${round(value)} /s`;
  return [
    {
      title: "Throughput",
      format: rate,
      most: 1,
      lines: [line("events", "accent", samples.events, rate), line("runs ended", "good", samples.ends, rate)],
    },
    {
      title: "Queue",
      format: round,
      most: 5,
      lines: [
        line("to write", "accent", samples.queued, round),
        line("in memory", "busy", samples.live, round),
        line("waiting", "warn", samples.waiting, round),
        line("held", "held", samples.held, round),
      ],
    },
    {
      title: "CPU",
      format: share,
      most: 10,
      lines: [
        line("Reactor, of one core", "accent", samples.cpu, share),
        line("machine", "idle", samples.machine_cpu, share),
      ],
    },
    {
      title: "Memory and disk",
      format: bytes,
      lines: [line("Reactor", "accent", samples.memory, bytes), line("store", "busy", samples.store, bytes)],
    },
  ];
}
