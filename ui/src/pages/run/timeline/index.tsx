/** A run over time: a lane a step, as in Chrome's traces; what waits is hatched, and long waits can be squeezed. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { Empty } from "@/design/states";
import type { TimelineData } from "../queries";
import { Axis, Lines } from "./axis";
import { LaneRow } from "./row";
import type { View } from "./scale";
import css from "./timeline.module.css";
import { Tools } from "./tools";
import { lastEnd, type Row, rows, tree } from "./tree";
import { type Hands, useView } from "./use-view";
import { STRAIGHT, type Warp, warp, works } from "./warp";

const HEIGHT = 28;
const TALL = 560;

interface TimelineProps {
  data: TimelineData;
  selected: string | null;
  onSelect: (path: string) => void;
}

export function Timeline({ data, selected, onSelect }: TimelineProps) {
  const now = useTick(data);
  const frame = useRef<HTMLDivElement>(null);
  const [folds, setFolds] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [squeeze, setSqueeze] = useState<boolean | null>(null);
  const nodes = useMemo(() => tree(data.lanes.values()), [data.lanes]);
  const shown = useMemo(() => rows(nodes, folds), [nodes, folds]);
  const busy = useMemo(() => works(worked(data.lanes)), [data.lanes]);
  const last = useMemo(() => lastEnd(data.lanes.values()), [data.lanes]);
  const from = data.began;
  const to = Math.max(data.over ?? now, last, from + 1);
  const squeezed = useMemo(() => warp(busy, from, to), [busy, from, to]);
  const on = squeeze ?? to - from > 4 * (squeezed.to(to) - from);
  const line = on ? squeezed : STRAIGHT;
  const hands = useView({ from, to: line.to(to) }, frame);
  const fold = (path: string, folded: boolean) => setFolds(new Map(folds).set(path, folded));
  const all = (folded: boolean) =>
    setFolds(new Map(nodes.flatMap(withChildren).map((node) => [node.path, folded] as const)));
  if (shown.length === 0) {
    return <Empty title="No step has begun yet">As soon as one does, it appears here.</Empty>;
  }
  return (
    <div className={css.timeline}>
      <Tools
        hands={hands}
        squeeze={squeezed.breaks.length > 0 ? { on, set: setSqueeze } : null}
        onFold={nodes.some((node) => node.children.length > 0) ? all : undefined}
      />
      <Chart {...{ shown, hands, line, from, now, selected, onSelect, fold, frame, data }} />
    </div>
  );
}

function worked(lanes: TimelineData["lanes"]) {
  const paths = [...lanes.keys()];
  const around = new Set(paths.flatMap((path) => [...path.matchAll(/[.[]/g)].map((mark) => path.slice(0, mark.index))));
  return [...lanes.values()].map((lane) => ({ spans: lane.spans, around: around.has(lane.path) }));
}

function withChildren(node: Row["node"]): Row["node"][] {
  return node.children.length === 0 ? [] : [node, ...node.children.flatMap(withChildren)];
}

/** The server's time, going on while the run does. */
function useTick(data: TimelineData): number {
  const [now, setNow] = useState(() => Date.now());
  const live = data.over === null;
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [live]);
  return live ? Math.max(data.now, now + data.ahead) : (data.over ?? data.now);
}

interface ChartProps extends TimelineProps {
  shown: readonly Row[];
  hands: Hands;
  line: Warp;
  from: number;
  now: number;
  fold: (path: string, folded: boolean) => void;
  frame: RefObject<HTMLDivElement | null>;
}

function Chart({ shown, hands, line, from, now, selected, onSelect, fold, frame, data }: ChartProps) {
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => frame.current,
    estimateSize: () => HEIGHT,
    overscan: 12,
    scrollMargin: HEIGHT,
  });
  const place = placeOf(hands.view, line);
  const [at, walk] = useWalk({ shown, selected, onSelect, fold, hands, onMove: (n) => virtual.scrollToIndex(n) });
  return (
    <div ref={frame} className={css.frame} style={{ maxHeight: TALL }}>
      <Axis {...{ view: hands.view, line, zero: from, place, now, data }} drag={hands.drag} />
      <div
        className={css.rows}
        style={{ height: shown.length * HEIGHT }}
        role="tree"
        aria-label="Steps over time"
        tabIndex={0}
        aria-activedescendant={shown[at] && `lane-${shown[at].node.path}`}
        onKeyDown={walk}
      >
        <Lines {...{ line, place, now, data }} />
        {virtual.getVirtualItems().map((item) => {
          const row = shown[item.index];
          if (!row) return null;
          return (
            <LaneRow
              key={row.node.path}
              {...{ row, place, from, now, fold, onSelect }}
              top={item.index * HEIGHT}
              active={item.index === at}
              selected={row.node.path === selected}
              drag={hands.drag}
            />
          );
        })}
      </div>
    </div>
  );
}

function placeOf(view: View, line: Warp) {
  return (at: number) => (line.to(at) - view.from) / (view.to - view.from);
}

interface Walking {
  shown: readonly Row[];
  selected: string | null;
  onSelect: (path: string) => void;
  fold: (path: string, folded: boolean) => void;
  hands: Hands;
  onMove: (index: number) => void;
}

/** Arrows walk and fold the tree; w s a d zoom and pan as in Chrome's traces, + − 0 too. */
function useWalk({ shown, selected, onSelect, fold, hands, onMove }: Walking) {
  const [path, setPath] = useState<string | null>(selected);
  const found = shown.findIndex((row) => row.node.path === (path ?? selected));
  const at = Math.max(0, found);
  const go = (index: number) => {
    const next = Math.min(shown.length - 1, Math.max(0, index));
    setPath(shown[next]?.node.path ?? null);
    onMove(next);
  };
  const row = shown[at];
  const above = () => shown.slice(0, at).findLastIndex((each) => each.depth < (row?.depth ?? 0));
  const open = () => row && onSelect(row.node.path);
  const into = () => (row && !row.open && row.node.children.length > 0 ? fold(row.node.path, false) : go(at + 1));
  const out = () => (row?.open ? fold(row.node.path, true) : go(Math.max(0, above())));
  const keys = new Map<string, () => void>([
    ["ArrowDown", () => go(at + 1)],
    ["j", () => go(at + 1)],
    ["ArrowUp", () => go(at - 1)],
    ["k", () => go(at - 1)],
    ["Home", () => go(0)],
    ["End", () => go(shown.length - 1)],
    ["ArrowRight", into],
    ["ArrowLeft", out],
    ["Enter", open],
    [" ", open],
    ["w", () => hands.zoom(true)],
    ["+", () => hands.zoom(true)],
    ["s", () => hands.zoom(false)],
    ["-", () => hands.zoom(false)],
    ["a", () => hands.pan(-0.2)],
    ["d", () => hands.pan(0.2)],
    ["0", hands.fit],
  ]);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const act = keys.get(event.key);
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  return [at, onKeyDown] as const;
}
