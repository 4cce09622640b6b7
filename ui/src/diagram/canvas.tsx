/** The drawing itself. It comes lazily: see `index.tsx`. */
import "@xyflow/react/dist/base.css";
import {
  getSmoothStepPath,
  MiniMap,
  type NodeTypes,
  ReactFlow,
  type ReactFlowInstance,
  ViewportPortal,
} from "@xyflow/react";
import { Maximize, Minus, Plus } from "lucide-react";
import { type KeyboardEvent, memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { IconButton } from "@/design/button";
import { toneOf } from "@/design/status";
import { type Drawn, LaneBox, PlainBox, StartBox, StepBox } from "./boxes";
import css from "./diagram.module.css";
import { type Box, headHeight, type Layout, type Line, layout } from "./layout";
import { type FlowDiagramProps, type Step, stepsOf } from "./types";

const NODES: NodeTypes = {
  step: StepBox,
  steps: StepBox,
  lane: LaneBox,
  start: StartBox,
  gate: PlainBox,
  code: PlainBox,
  flow: PlainBox,
} as never;

const MARGIN = 24;
const LARGE = 40;
const SMALLEST = 0.1;
const READABLE = 0.48;

type Instance = ReactFlowInstance<Drawn>;

export default function Canvas(props: FlowDiagramProps) {
  const { diagram, before, after, height } = props;
  const plan = useMemo(() => layout(diagram, before, after), [diagram, before, after]);
  const frame = useRef<HTMLDivElement>(null);
  const [instance, setInstance] = useState<Instance | null>(null);
  const nodes = useNodes(plan, props);
  const walk = useWalk(plan, props, instance, frame);
  const view = useView(plan, instance, frame);
  const high = Math.ceil(plan.height * view.zoom) + 2 * MARGIN;
  return (
    <div ref={frame} className={css.frame} style={{ height: height ?? `max(200px, min(${high}px, 68vh))` }}>
      <ReactFlow<Drawn>
        nodes={nodes}
        nodeTypes={NODES}
        onInit={setInstance}
        onMoveStart={(event) => event && view.taken()}
        onNodeClick={(_, node) => walk.choose(node.data.box)}
        onNodeDoubleClick={(_, node) => walk.open(node.data.box)}
        onKeyDown={walk.onKeyDown}
        onlyRenderVisibleElements
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        elementsSelectable={false}
        disableKeyboardA11y
        panOnScroll={view.scrolls}
        preventScrolling={view.scrolls}
        zoomOnScroll={false}
        zoomOnDoubleClick={false}
        minZoom={SMALLEST}
        maxZoom={1.6}
        translateExtent={extent(plan)}
        proOptions={{ hideAttribution: true }}
        tabIndex={0}
        aria-label={`Drawing of flow ${diagram.flow}. Arrow keys walk its steps, Enter opens one. List shows the same as text.`}
      >
        <Lines plan={plan} states={props.states} />
        {diagram.count > LARGE && <Overview />}
      </ReactFlow>
      <div className={css.zoom}>
        <IconButton label="Zoom in" look="normal" onClick={() => void instance?.zoomIn()}>
          <Plus aria-hidden />
        </IconButton>
        <IconButton label="Zoom out" look="normal" onClick={() => void instance?.zoomOut()}>
          <Minus aria-hidden />
        </IconButton>
        <IconButton label="Show all" look="normal" onClick={view.all}>
          <Maximize aria-hidden />
        </IconButton>
      </div>
      <p className="unseen" aria-live="polite">
        {walk.said}
      </p>
    </div>
  );
}

function Overview() {
  return (
    <MiniMap<Drawn>
      pannable
      zoomable
      ariaLabel="The whole drawing, small"
      className={css.map}
      nodeColor={({ data }) =>
        data.state
          ? `var(--${toneOf(data.state.status)})`
          : data.box.kind === "step"
            ? "var(--line-strong)"
            : "var(--line)"
      }
    />
  );
}

function extent({ width, height }: Layout): [[number, number], [number, number]] {
  const around = 400;
  return [
    [-around, -around],
    [width + around, height + around],
  ];
}

function useNodes(plan: Layout, { states, selected, wrong }: FlowDiagramProps): Drawn[] {
  const all = useMemo(
    () =>
      plan.boxes.map((box): Drawn => {
        const path = box.step?.path;
        const about = {
          state: path === undefined ? undefined : states?.get(path),
          wrong: path !== undefined && (wrong?.has(path) ?? false),
          follows: states !== undefined,
        };
        return {
          id: box.id,
          type: box.kind === "group" ? "steps" : box.kind,
          position: { x: box.x, y: box.y },
          width: box.width,
          height: box.height,
          zIndex: box.depth * 2,
          data: { box, selected: false, ...about },
        };
      }),
    [plan, states, wrong],
  );
  // Walking through five hundred steps makes one box new, and not five hundred.
  return useMemo(
    () => all.map((node) => (node.id === selected ? { ...node, data: { ...node.data, selected: true } } : node)),
    [all, selected],
  );
}

/** All lines in one picture above the boxes: they are known, so nothing has to be measured. */
const Lines = memo(function Lines({ plan, states }: { plan: Layout; states: FlowDiagramProps["states"] }) {
  const byId = useMemo(() => new Map(plan.boxes.map((box) => [box.id, box])), [plan]);
  return (
    <ViewportPortal>
      <svg className={css.lines} width={plan.width} height={plan.height} aria-hidden>
        {plan.lines.map((line) => {
          const from = byId.get(line.from);
          const to = byId.get(line.to);
          return from && to && <DrawnLine key={line.id} {...{ line, from, to, taken: taken(line, states) }} />;
        })}
      </svg>
    </ViewportPortal>
  );
});

/** Whether the run has gone along there; undefined: no run is shown. */
function taken(line: Line, states: FlowDiagramProps["states"]): boolean | undefined {
  if (!states) return undefined;
  const state = line.leads ? states.get(line.leads) : undefined;
  return state !== undefined && state.status !== "skipped";
}

function DrawnLine({ line, from, to, taken }: { line: Line; from: Box; to: Box; taken?: boolean }) {
  const sourceX = from.x + from.width / 2;
  const sourceY = from.y + (line.inside && from.step ? headHeight(from.step) : from.height);
  const targetX = to.x + to.width / 2;
  const [path] = getSmoothStepPath({ sourceX, sourceY, targetX, targetY: to.y, borderRadius: 6, offset: 8 });
  const tip = `M${targetX - 3.5} ${to.y - 5} L${targetX} ${to.y} L${targetX + 3.5} ${to.y - 5}`;
  return (
    <g className={css.line} data-aside={line.aside || undefined} data-taken={taken}>
      <path d={path} />
      <path d={tip} />
    </g>
  );
}

/** The arrow keys: down and up in the order of the file, right into a step, left out of it. */
function useWalk(
  plan: Layout,
  { diagram, selected, onSelect, onOpen, states }: FlowDiagramProps,
  instance: Instance | null,
  frame: React.RefObject<HTMLDivElement | null>,
) {
  const all = useMemo(() => [...stepsOf(diagram)], [diagram]);
  const at = all.findIndex(({ step }) => step.path === selected);
  const byPath = useMemo(() => new Map(plan.boxes.map((box) => [box.id, box])), [plan]);
  const go = (step: Step | null | undefined) => {
    if (!step) return;
    onSelect?.(step.path);
    const box = byPath.get(step.path);
    if (box && instance) show(box, instance, frame.current);
  };
  const next = (key: string): Step | null | undefined => {
    if (key === "Home" || at < 0) return all[0]?.step;
    if (key === "End") return all.at(-1)?.step;
    if (key === "ArrowDown") return all[at + 1]?.step;
    if (key === "ArrowUp") return all[at - 1]?.step;
    if (key === "ArrowLeft") return all[at]?.inside;
    return all[at]?.step.parts[0]?.steps[0];
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = all[at]?.step;
    if (event.key === "Enter" && step) (onOpen ?? onSelect)?.(step.path);
    else if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") go(next(event.key));
    else return;
    event.preventDefault();
  };
  const here = all[at]?.step;
  const state = here && states?.get(here.path);
  return {
    onKeyDown,
    choose: (box: Box) => box.step && onSelect?.(box.step.path),
    open: (box: Box) => box.step && (onOpen ?? onSelect)?.(box.step.path),
    said: here ? `${here.name}: ${here.title}${state ? `, ${state.status}` : ""}` : "",
  };
}

/** Bring a box into sight, if it is not. */
function show(box: Box, instance: Instance, frame: HTMLElement | null): void {
  if (!frame) return;
  const { x, y, zoom } = instance.getViewport();
  const high = box.step ? headHeight(box.step) : box.height;
  const left = box.x * zoom + x;
  const top = box.y * zoom + y;
  const seen =
    left >= 0 &&
    top >= 0 &&
    left + Math.min(box.width, 240) * zoom <= frame.clientWidth &&
    top + high * zoom <= frame.clientHeight;
  if (!seen) void instance.setCenter(box.x + box.width / 2, box.y + high / 2, { zoom: Math.max(zoom, READABLE) });
}

/** What is seen: all of it where it can be read, else its beginning; and so again when the window changes. */
function useView(plan: Layout, instance: Instance | null, frame: React.RefObject<HTMLDivElement | null>) {
  const mine = useRef(false);
  const [scrolls, setScrolls] = useState(false);
  const [zoom, setZoom] = useState(1);
  const place = useCallback(
    (whole: boolean) => {
      const box = frame.current;
      if (!instance || !box || box.clientWidth === 0) return;
      const across = (box.clientWidth - 2 * MARGIN) / plan.width;
      setZoom(Math.max(READABLE, Math.min(1, across)));
      const both = Math.min(across, (box.clientHeight - 2 * MARGIN) / plan.height);
      const least = whole ? SMALLEST : READABLE;
      const zoom = Math.max(least, Math.min(1, whole || both > 0.75 ? both : Math.max(both, Math.min(across, 1))));
      const wide = plan.width * zoom;
      const x = wide <= box.clientWidth ? (box.clientWidth - wide) / 2 : startAt(plan, zoom, box.clientWidth);
      const y = Math.max(MARGIN, (box.clientHeight - plan.height * zoom) / 2);
      setScrolls(plan.height * zoom + MARGIN > box.clientHeight || wide > box.clientWidth);
      void instance.setViewport({ x, y: plan.height * zoom > box.clientHeight - MARGIN ? MARGIN : y, zoom });
    },
    [instance, plan, frame],
  );
  useLayoutEffect(() => {
    if (!mine.current) place(false);
  }, [place]);
  useEffect(() => {
    if (!frame.current) return;
    const watcher = new ResizeObserver(() => {
      if (!mine.current) place(false);
    });
    watcher.observe(frame.current);
    return () => watcher.disconnect();
  }, [place, frame]);
  return {
    scrolls,
    /** At which it fits across: its height follows from that. */
    zoom,
    taken: () => {
      mine.current = true;
      setScrolls(true);
    },
    all: () => place(true),
  };
}

/** A drawing that is wider than its window begins with its first box in the middle. */
function startAt(plan: Layout, zoom: number, width: number): number {
  const first = plan.boxes[0];
  const middle = first ? first.x + first.width / 2 : plan.width / 2;
  return Math.min(MARGIN, Math.max(width - MARGIN - plan.width * zoom, width / 2 - middle * zoom));
}
