/** The canvas of a chart. All charts of a page share their cursor. */
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { isDark, useTheme } from "@/app/theme";
import type { ChartProps, Line, Value } from "./chart";
import css from "./chart.module.css";

const HEIGHT = 132;
const SYNC = uPlot.sync("time");
/** Counts of one must be seen beside counts of ten thousand. */
const LEAST = 0.02;

type Props = ChartProps & { onPoint: (point: number | null) => void };

export default function Plot(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const current = useRef(props);
  current.current = props;
  useTheme();
  const dark = isDark();
  const { kind, title, times, lines, step } = props;
  const shape = `${kind} ${dark} ${lines.map(({ name, tone }) => `${name}:${tone}`).join(" ")}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew when its shape or theme is another
  useEffect(() => {
    const there = place.current;
    if (!there) return;
    const made = new uPlot(options(current, there.clientWidth), drawn(current.current), there);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: there.clientWidth, height: HEIGHT }));
    watch.observe(there);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, title]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new figures are drawn into what is there
  useEffect(() => {
    plot.current?.setData(drawn(current.current));
  }, [times, lines, step]);
  return <div ref={place} className={css.plot} style={{ height: HEIGHT }} aria-hidden />;
}

function options(current: { current: Props }, width: number): uPlot.Options {
  const { lines, kind } = current.current;
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    width,
    height: HEIGHT,
    padding: [6, 0, 0, 0],
    legend: { show: false },
    cursor: cursor(current),
    scales: {
      x: { time: true, range: () => span(current.current) },
      y: { range: (_, _low, high) => [0, Math.max(current.current.most ?? 0, high * 1.05) || 1] },
    },
    axes: axes(current, colour),
    series: [{}, ...(kind === "bars" ? [...lines].reverse() : lines).map((line) => look(line, kind, colour))],
    hooks: {
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor;
          current.current.onPoint(left !== undefined && left >= 0 ? (idx ?? null) : null);
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 4) return;
          const { step, onZoom } = current.current;
          const from = Math.floor(plot.posToVal(left, "x") / step) * step;
          const to = Math.ceil(plot.posToVal(left + wide, "x") / step) * step;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          onZoom?.(from, to);
        },
      ],
    },
  };
}

function span({ times, step }: Props): [number, number] {
  const first = times[0] ?? 0;
  return [first, (times.at(-1) ?? first) + step];
}

function cursor(current: { current: Props }): uPlot.Cursor {
  return {
    sync: { key: SYNC.key, setSeries: false, scales: ["x", null] },
    y: false,
    points: { show: current.current.kind === "lines", size: 6 },
    drag: { x: true, y: false, setScale: false },
    // The point under the hand, not the nearest beginning of one.
    dataIdx: (plot, _series, nearest, value) => {
      const { times, step } = current.current;
      if (current.current.kind === "lines" && value === undefined) return nearest;
      const point = Math.floor((plot.posToVal(plot.cursor.left ?? 0, "x") - (times[0] ?? 0)) / step);
      return Math.max(0, Math.min(times.length - 1, point));
    },
    bind: {
      dblclick: () => () => {
        current.current.onBack?.();
        return null;
      },
      click: (plot) => () => {
        const { idx, top } = plot.cursor;
        if (idx !== null && idx !== undefined) current.current.onPick?.(idx, hit(current.current, plot, idx, top ?? 0));
        return null;
      },
    },
  };
}

/** Which part of a pile of bars is under the hand. */
function hit(props: Props, plot: uPlot, point: number, top: number): number | null {
  if (props.kind !== "bars") return null;
  const value = plot.posToVal(top, "y");
  const piles = drawn(props).slice(1).reverse();
  const part = piles.findIndex((pile) => value <= (pile[point] ?? 0));
  return part === -1 ? null : part;
}

function axes(current: { current: Props }, colour: (name: string) => string): uPlot.Axis[] {
  const common = {
    stroke: colour("ink-3"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    ticks: { show: false },
    grid: { stroke: colour("line"), width: 1 },
  };
  return [
    {
      ...common,
      grid: { show: false },
      size: 22,
      space: 64,
      values: (_, splits) => splits.map((at, n) => moment(at, splits[n - 1], splits[1])),
    },
    {
      ...common,
      size: 52,
      space: 28,
      values: (_, splits) => splits.map((value) => current.current.format(value)),
    },
  ];
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

function moment(at: number, before: number | undefined, second: number | undefined): string {
  const date = new Date(at * 1_000);
  const far = second !== undefined && before !== undefined && at - before >= 43_200;
  const midnight = date.getHours() === 0 && date.getMinutes() === 0;
  return far || midnight ? DAY.format(date) : CLOCK.format(date);
}

function look(line: Line, kind: Props["kind"], colour: (name: string) => string): uPlot.Series {
  const stroke = colour(line.tone);
  if (kind === "bars") {
    const paths = uPlot.paths.bars?.({ size: [0.86, 40], align: 1 });
    return { fill: stroke, width: 0, points: { show: false }, ...(paths ? { paths } : {}) };
  }
  return { stroke, width: 1.5, points: { show: true, size: 4, fill: stroke, filter: alone }, spanGaps: false };
}

/** Points that no line goes to. */
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const none = (n: number) => values[n] === null || values[n] === undefined;
  return Array.from(values.keys()).filter((n) => !none(n) && none(n - 1) && none(n + 1));
}

/** As uPlot takes it. Bars stand upon each other, and the highest pile is drawn first. */
function drawn({ kind, times, lines }: Props): uPlot.AlignedData {
  if (kind === "lines") return [[...times], ...lines.map(({ values }) => [...values])];
  const top = Math.max(0, ...times.map((_, n) => lines.reduce((sum, { values }) => sum + (values[n] ?? 0), 0)));
  const below = times.map(() => 0);
  const piles = lines.map(({ values }) =>
    values.map((value: Value, n) => {
      below[n] = (below[n] ?? 0) + (value ? Math.max(value, top * LEAST) : 0);
      return below[n] ?? 0;
    }),
  );
  return [[...times], ...piles.reverse()];
}
