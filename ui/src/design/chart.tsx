/**
 * A chart of a window of time. What is drawn comes later (uPlot is not part of the first view), its place is there at
 * once. The same figures can be had as a table, and point by point with the arrow keys.
 */
import { lazy, type ReactNode, Suspense, useMemo, useState } from "react";
import { clock } from "@/format/text";
import { Button } from "./button";
import css from "./chart.module.css";
import { Dialog } from "./overlays";
import { Failure } from "./states";
import { type Tone, toneClass } from "./status";
import { Table } from "./table";
import { useNow } from "./time";

const Plot = lazy(() => import("./chart-plot"));

export type Value = number | null;

export interface Line {
  name: string;
  tone: Tone | "accent";
  values: readonly Value[];
  /** What it came to in the whole window: in words, beside its name. */
  sum?: string;
}

export interface ChartProps {
  title: string;
  /** Beginnings of the points, seconds since 1970; each stands for `step` seconds. */
  times: readonly number[];
  step: number;
  lines: readonly Line[];
  /** `bars`: counts, one upon the other, the first at the bottom. */
  kind: "bars" | "lines";
  format: (value: number) => string;
  /** The top of the scale is at least this. */
  most?: number;
  /** A stretch was chosen by dragging. */
  onZoom?: (from: number, to: number) => void;
  /** Double click. */
  onBack?: () => void;
  /** A point was chosen; `line`: the part of it that was hit. */
  onPick?: (point: number, line: number | null) => void;
  /** What a click on a point leads to, for the hint. */
  leads?: string;
}

export function Chart(props: ChartProps) {
  const { title, times, lines, format, onPick } = props;
  const [point, setPoint] = useState<number | null>(null);
  const [table, setTable] = useState(false);
  const at = point !== null && point < times.length ? point : null;
  return (
    <figure className={css.chart}>
      <figcaption className={css.head}>
        <h3>{title}</h3>
        <Button look="plain" className={css.small} onClick={() => setTable(true)} aria-label={`${title} as a table`}>
          Table
        </Button>
      </figcaption>
      <Legend lines={lines} format={format} point={at} />
      <Keyed {...props} point={at} setPoint={setPoint}>
        <Suspense fallback={null}>
          <Plot {...props} onPoint={setPoint} />
        </Suspense>
      </Keyed>
      {table && <AsTable {...props} onPick={onPick} onOpen={setTable} />}
    </figure>
  );
}

function Legend({ lines, format, point }: Pick<ChartProps, "lines" | "format"> & { point: number | null }) {
  return (
    <ul className={css.legend}>
      {lines.map((line) => (
        <li key={line.name} className={line.tone === "accent" ? css.accent : toneClass(line.tone)}>
          <i aria-hidden />
          {line.name}
          <span className="number">{point === null ? (line.sum ?? "") : shown(line.values[point], format)}</span>
        </li>
      ))}
    </ul>
  );
}

function shown(value: Value | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? "–" : format(value);
}

/** The frame that has the focus: arrows walk the points, Enter opens one, a screen reader hears it. */
function Keyed({
  title,
  times,
  step,
  lines,
  format,
  onPick,
  onBack,
  leads,
  point,
  setPoint,
  children,
}: ChartProps & { point: number | null; setPoint: (point: number | null) => void; children: ReactNode }) {
  const [walked, setWalked] = useState(false);
  const last = times.length - 1;
  const walk = (to: number) => {
    setWalked(true);
    setPoint(Math.max(0, Math.min(last, to)));
  };
  const says =
    point === null || !walked ? "" : lines.map((l) => `${l.name} ${shown(l.values[point], format)}`).join(", ");
  return (
    // biome-ignore lint/a11y/useSemanticElements: a chart is a group of points, not of fields
    <div
      role="group"
      aria-label={`${title}, a chart of ${times.length} points${leads ? `; Enter opens the ${leads} of a point` : ""}`}
      className={css.frame}
      data-pick={onPick ? true : undefined}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: its points are walked by the arrow keys
      tabIndex={0}
      onBlur={() => {
        setWalked(false);
        setPoint(null);
      }}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight") walk(point === null ? 0 : point + 1);
        else if (event.key === "ArrowLeft") walk(point === null ? last : point - 1);
        else if (event.key === "Home") walk(0);
        else if (event.key === "End") walk(last);
        else if (event.key === "Enter" && point !== null) onPick?.(point, null);
        else if (event.key === "Escape") onBack?.();
        else return;
        event.preventDefault();
      }}
    >
      {children}
      {walked && point !== null && (
        <i
          className={css.walked}
          style={{ left: `calc(52px + (100% - 52px) * ${(point + 0.5) / times.length})` }}
          aria-hidden
        />
      )}
      <span className="unseen" role="status">
        {says && point !== null ? `${moment(times[point] ?? 0, step)}: ${says}` : ""}
      </span>
    </div>
  );
}

function moment(seconds: number, step: number, now = Date.now()): string {
  const full = clock(new Date(seconds * 1_000).toISOString(), now);
  return step % 60 === 0 ? full.replace(/:\d\d$/, "") : full;
}

function AsTable({
  title,
  times,
  step,
  lines,
  format,
  onPick,
  onOpen,
}: ChartProps & { onOpen: (open: boolean) => void }) {
  const now = useNow();
  const rows = useMemo(() => times.map((time, point) => ({ time, point })).reverse(), [times]);
  return (
    <Dialog title={title} open onOpen={onOpen} wide>
      <Table
        label={title}
        height="60vh"
        rows={rows}
        id={({ time }) => String(time)}
        onOpen={onPick ? ({ point }) => onPick(point, null) : undefined}
        empty={<Failure error={new Error("There are no points in this window.")} />}
        columns={[
          { name: "From", cell: ({ time }) => moment(time, step, now) },
          ...lines.map((line) => ({
            name: line.name,
            width: "110px",
            right: true,
            cell: ({ point }: { point: number }) => shown(line.values[point], format),
          })),
        ]}
      />
    </Dialog>
  );
}
