/**
 * The lanes of a run as a tree: what stands in a loop, a branch, a case or a handler stands below it.
 *
 * The journal speaks of a branch or an iteration only when it ends, and never of a case: what is missing between a step
 * and what it stands in is made here.
 */
import type { Shapes } from "@/api/client";

export type Lane = Shapes["Lane"];
export type Stretch = Shapes["Stretch"];

export interface Node {
  path: string;
  name: string;
  kind: "step" | "iteration" | "branch" | "case" | "part";
  lane: Lane | null;
  status: string;
  start: number | null;
  /** Null: not over. */
  end: number | null;
  children: Node[];
  /** Of all below it that stand nowhere deeper: how many there are, and how many failed. */
  total: number;
  failed: number;
}

const PARTS: Record<string, string> = {
  on_error: "if it fails",
  finally: "in the end",
  undo: "taken back",
  on_timeout: "if nobody comes",
  notify: "notify",
  on_failure: "if the flow fails",
  on_cancel: "if it is cancelled",
};

/** `each[3].branches.sms.send` → `each`, `each[3]`, `each[3].branches.sms`, `each[3].branches.sms.send`. */
export function chain(path: string): string[] {
  const found: string[] = [];
  let at = 0;
  while (at < path.length) {
    let end = at;
    while (end < path.length && path[end] !== "." && path[end] !== "[") end += 1;
    const word = path.slice(at, end);
    if (word === "branches" && path[end] === ".") {
      at = end + 1;
      continue;
    }
    if (word !== "cases") found.push(path.slice(0, end));
    while (path[end] === "[") {
      end = path.indexOf("]", end) + 1;
      if (end === 0) return [...found, path];
      found.push(path.slice(0, end));
    }
    at = path[end] === "." ? end + 1 : path.length;
  }
  return found;
}

function named(path: string): Pick<Node, "name" | "kind"> {
  const iteration = /\[(\d+)\]$/.exec(path);
  if (iteration) {
    return /(^|\.)cases\[\d+\]$/.test(path)
      ? { name: `case ${Number(iteration[1]) + 1}`, kind: "case" }
      : { name: `[${iteration[1]}]`, kind: "iteration" };
  }
  const name = path.slice(path.lastIndexOf(".") + 1);
  if (path.endsWith(`branches.${name}`)) return { name, kind: "branch" };
  return PARTS[name] ? { name: PARTS[name], kind: "part" } : { name, kind: "step" };
}

const SPEAKS = ["failed", "running", "paused", "waiting", "cancelled", "completed", "skipped"];

export function tree(lanes: Iterable<Lane>): Node[] {
  const nodes = new Map<string, Node>();
  const roots: Node[] = [];
  const node = (path: string, above: string | undefined): Node => {
    let one = nodes.get(path);
    if (one) return one;
    one = { path, ...named(path), lane: null, status: "", start: null, end: null, children: [], total: 0, failed: 0 };
    nodes.set(path, one);
    const parent = above === undefined ? undefined : nodes.get(above);
    (parent ? parent.children : roots).push(one);
    return one;
  };
  for (const lane of lanes) {
    const steps = chain(lane.path);
    let above: string | undefined;
    for (const path of steps) {
      node(path, above);
      above = path;
    }
    const own = nodes.get(lane.path);
    if (own) own.lane = lane;
  }
  settle(roots);
  return roots;
}

function settle(nodes: Node[]): void {
  for (const node of nodes) {
    settle(node.children);
    const { lane, children } = node;
    const starts = children.flatMap((child) => (child.start === null ? [] : [child.start]));
    const open = children.some((child) => child.end === null);
    const ends = children.flatMap((child) => (child.end === null ? [] : [child.end]));
    node.start = lane?.start ?? (starts.length > 0 ? starts.reduce((a, b) => Math.min(a, b)) : null);
    node.end = lane?.end ?? (lane || open || ends.length === 0 ? null : ends.reduce((a, b) => Math.max(a, b)));
    node.status =
      lane?.status ?? SPEAKS.find((status) => children.some((child) => child.status === status)) ?? "running";
    node.total = children.reduce((sum, child) => sum + Math.max(1, child.total), 0);
    node.failed = children.reduce(
      (sum, child) => sum + (child.total > 0 ? child.failed : Number(child.status === "failed")),
      0,
    );
  }
  if (nodes[0]?.kind === "iteration") nodes.sort((a, b) => Number(a.name.slice(1, -1)) - Number(b.name.slice(1, -1)));
  else nodes.sort((a, b) => begun(a) - begun(b));
}

/** What was skipped never began: it stands where it was decided. */
function begun(node: Node): number {
  return node.start ?? node.end ?? Number.MAX_SAFE_INTEGER;
}

export interface Row {
  node: Node;
  depth: number;
  open: boolean;
}

const MANY = 20;

/** Loops of many iterations are folded, and so is each iteration, until somebody opens them. */
export function isFolded(node: Node, said: ReadonlyMap<string, boolean>): boolean {
  const own = said.get(node.path);
  if (own !== undefined) return own;
  return node.children.length > MANY || (node.kind === "iteration" && node.children.length > 1);
}

export function rows(nodes: readonly Node[], said: ReadonlyMap<string, boolean>): Row[] {
  const found: Row[] = [];
  const walk = (each: readonly Node[], depth: number) => {
    for (const node of each) {
      const open = node.children.length > 0 && !isFolded(node, said);
      found.push({ node, depth, open });
      if (open) walk(node.children, depth + 1);
    }
  };
  walk(nodes, 0);
  return found;
}

/** When the last of them ended. */
export function lastEnd(lanes: Iterable<Lane>): number {
  let last = 0;
  for (const lane of lanes) last = Math.max(last, lane.end ?? 0);
  return last;
}
