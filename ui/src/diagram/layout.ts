/**
 * Where each box of a drawing stands.
 *
 * A flow is a tree of lists, so its drawing is boxes in boxes: a list is a column, the lists inside a step are lanes side
 * by side. That is exact, takes one walk, and a step that is added moves nothing but what comes behind it.
 */
import type { Diagram, Neighbour, Part, Start, Step } from "./types";

export interface Box {
  id: string;
  kind: "step" | "group" | "lane" | "start" | "gate" | "flow" | "code";
  x: number;
  y: number;
  width: number;
  height: number;
  depth: number;
  step?: Step;
  part?: Part;
  start?: Start;
  neighbour?: Neighbour;
  text?: string;
}

export interface Line {
  id: string;
  from: string;
  to: string;
  /** From the head of a group into a lane, not from its end. */
  inside?: boolean;
  /** Only when something goes wrong, or is taken back. */
  aside?: boolean;
  /** Path of the step that it leads to. */
  leads?: string;
}

export interface Layout {
  boxes: readonly Box[];
  lines: readonly Line[];
  width: number;
  height: number;
}

export const WIDTH = 236;
export const HEIGHT = 48;
/** More of a box that has a condition. */
export const EXTRA = 20;
const DOWN = 26;
/** From the head of a group to its lanes. */
const INTO = 20;
const ACROSS = 16;
const PAD = 14;
const LABEL = 24;
const LANES = 1_500;
const SMALL = 30;
const NEIGHBOURS = 5;

const ASIDE = new Set(["on_error", "finally", "undo", "on_timeout", "notify"]);

export function isAside(part: Part): boolean {
  return ASIDE.has(part.kind);
}

export function headHeight(step: Step): number {
  return step.if || step.unless ? HEIGHT + EXTRA : HEIGHT;
}

interface Size {
  width: number;
  height: number;
}

interface Lane extends Size {
  part: Part;
}

interface Row extends Size {
  lanes: Lane[];
}

/** Sizes from the inside out are asked for often; each is worked out once. */
class Sizes {
  private readonly known = new Map<Step, Size>();

  of(step: Step): Size {
    let size = this.known.get(step);
    if (!size) {
      size = this.measure(step);
      this.known.set(step, size);
    }
    return size;
  }

  list(steps: readonly Step[]): Size {
    const sizes = steps.map((step) => this.of(step));
    return {
      width: Math.max(WIDTH, ...sizes.map((size) => size.width)),
      height: sizes.reduce((sum, size) => sum + size.height, 0) + DOWN * Math.max(0, steps.length - 1),
    };
  }

  rows(step: Step): Row[] {
    const rows: Row[] = [];
    for (const part of step.parts) {
      const inner = this.list(part.steps);
      const lane = { part, width: inner.width + 2 * PAD, height: inner.height + LABEL + 4 + PAD };
      const last = rows.at(-1);
      if (last && last.width + ACROSS + lane.width <= LANES) {
        last.lanes.push(lane);
        last.width += ACROSS + lane.width;
        last.height = Math.max(last.height, lane.height);
      } else rows.push({ lanes: [lane], width: lane.width, height: lane.height });
    }
    return rows;
  }

  private measure(step: Step): Size {
    const head = headHeight(step);
    if (step.parts.length === 0) return { width: WIDTH, height: head };
    const rows = this.rows(step);
    return {
      width: Math.max(WIDTH, ...rows.map((row) => row.width)) + 2 * PAD,
      height: head + INTO + rows.reduce((sum, row) => sum + row.height, 0) + ACROSS * (rows.length - 1) + PAD,
    };
  }
}

class Plan {
  readonly boxes: Box[] = [];
  readonly lines: Line[] = [];
  private readonly sizes = new Sizes();

  list(steps: readonly Step[], x: number, y: number, width: number, depth: number): number {
    let at = y;
    let before: Step | null = null;
    for (const step of steps) {
      const size = this.sizes.of(step);
      this.step(step, x + (width - size.width) / 2, at, size, depth);
      if (before) this.line(before.path, step.path, { leads: step.path });
      before = step;
      at += size.height + DOWN;
    }
    return at - DOWN;
  }

  step(step: Step, x: number, y: number, size: Size, depth: number): void {
    const kind = step.parts.length ? "group" : "step";
    this.boxes.push({ id: step.path, kind, x, y, ...size, depth, step });
    let top = y + headHeight(step) + INTO;
    for (const [number, row] of (kind === "group" ? this.sizes.rows(step) : []).entries()) {
      let left = x + (size.width - row.width) / 2;
      for (const lane of row.lanes) {
        this.lane(step, lane, left, top, row.height, depth + 1, number === 0);
        left += lane.width + ACROSS;
      }
      top += row.height + ACROSS;
    }
  }

  lane(step: Step, lane: Lane, x: number, y: number, height: number, depth: number, reached: boolean): void {
    const { part, width } = lane;
    const id = `${part.path} ${part.kind} ${step.parts.indexOf(part)}`;
    const aside = isAside(part);
    this.boxes.push({ id, kind: "lane", x, y, width, height, depth, part });
    // A lane of a second row has its label; a line to it would cross those above.
    if (reached) this.line(step.path, id, { inside: true, aside, leads: part.steps[0]?.path });
    this.list(part.steps, x, y + LABEL + 4, width, depth + 1);
  }

  line(from: string, to: string, more: Partial<Line> = {}): void {
    this.lines.push({ id: `${from} → ${to}`, from, to, ...more });
  }

  size(steps: readonly Step[]): Size {
    return this.sizes.list(steps);
  }
}

export function layout(diagram: Diagram, before: readonly Neighbour[] = [], after: readonly Neighbour[] = []): Layout {
  const plan = new Plan();
  const body = plan.size(diagram.steps);
  const sides = asides(diagram).map((part) => ({ part, ...plan.size(part.steps) }));
  const tops = startRows(diagram);
  const width = Math.max(body.width, ...tops.map((row) => row.length * (WIDTH + ACROSS) - ACROSS));
  let y = flows(plan, "before", before, 0, width);
  const heads: string[] = [];
  for (const row of tops) {
    let x = (width - (row.length * (WIDTH + ACROSS) - ACROSS)) / 2;
    for (const start of row) {
      plan.boxes.push({ id: `on ${start.key}`, kind: "start", x, y, width: WIDTH, height: HEIGHT, depth: 0, start });
      heads.push(`on ${start.key}`);
      x += WIDTH + ACROSS;
    }
    y += HEIGHT + DOWN;
  }
  y = gate(plan, diagram, heads, y, width);
  const first = diagram.steps[0];
  if (first) for (const head of heads.slice(-LAST_ROW)) plan.line(head, first.path, { leads: first.path });
  let end = plan.list(diagram.steps, 0, y, width, 0);
  let right = width;
  for (const { part, width: inner, height } of sides) {
    const x = right + 2 * ACROSS;
    const box = { width: inner + 2 * PAD, height: height + LABEL + 4 + PAD };
    plan.boxes.push({ id: part.path, kind: "lane", x, y, ...box, depth: 0, part });
    plan.list(part.steps, x, y + LABEL + 4, box.width, 1);
    right = x + box.width;
    end = Math.max(end, y + box.height);
  }
  const bottom = flows(plan, "after", after, end + DOWN, width);
  const height = Math.max(SMALL, bottom > end + DOWN ? bottom - DOWN : end);
  return { boxes: plan.boxes, lines: plan.lines, width: right, height };
}

const LAST_ROW = 4;

function startRows(diagram: Diagram): Start[][] {
  const rows: Start[][] = [];
  for (let n = 0; n < diagram.triggers.length; n += LAST_ROW) rows.push(diagram.triggers.slice(n, n + LAST_ROW));
  return rows;
}

/** What must be true of an event, between the triggers and the first step; or the code that has no steps. */
function gate(plan: Plan, diagram: Diagram, heads: string[], y: number, width: number): number {
  const words = [diagram.if && `only if ${diagram.if}`, diagram.unless && `unless ${diagram.unless}`];
  let at = y;
  const through = (id: string, kind: "gate" | "code", text: string) => {
    const height = kind === "gate" ? SMALL : HEIGHT;
    plan.boxes.push({ id, kind, x: (width - WIDTH) / 2, y: at, width: WIDTH, height, depth: 0, text });
    for (const head of heads) plan.line(head, id);
    heads.splice(0, heads.length, id);
    at += height + DOWN;
  };
  const text = words.filter(Boolean).join(", ");
  if (text) through("gate", "gate", text);
  if (diagram.code) through("code", "code", diagram.code);
  return at;
}

/** `on_failure` and `on_cancel`, as lanes beside the steps. */
function asides(diagram: Diagram): Part[] {
  return [
    { kind: "on_error", label: "if the flow fails", path: "on_failure.", steps: diagram.on_failure },
    { kind: "on_error", label: "if it is cancelled", path: "on_cancel.", steps: diagram.on_cancel },
  ].filter((part) => part.steps.length > 0);
}

function flows(plan: Plan, side: "before" | "after", all: readonly Neighbour[], y: number, width: number): number {
  if (all.length === 0) return y;
  const shown = all.slice(0, NEIGHBOURS);
  let x = (width - shown.length * (WIDTH / 1.5 + ACROSS) + ACROSS) / 2;
  for (const [number, neighbour] of shown.entries()) {
    const text = number === NEIGHBOURS - 1 && all.length > NEIGHBOURS ? `and ${all.length - number} more` : undefined;
    const id = `${side} ${number} ${neighbour.flow}`;
    plan.boxes.push({ id, kind: "flow", x, y, width: WIDTH / 1.5, height: SMALL, depth: 0, neighbour, text });
    x += WIDTH / 1.5 + ACROSS;
  }
  return y + SMALL + DOWN;
}
