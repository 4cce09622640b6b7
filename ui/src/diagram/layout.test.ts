import { expect, test } from "vitest";
import { type Box, layout } from "./layout";
import type { Diagram, Part, Step } from "./types";
import { stepsOf } from "./types";

function step(path: string, parts: Part[] = [], more: Partial<Step> = {}): Step {
  return { path, name: path, kind: "action", parts, title: "", if: null, unless: null, ...more } as Step;
}

function part(kind: string, path: string, steps: Step[]): Part {
  return { kind, label: kind, path, steps };
}

function flow(steps: Step[], more: Partial<Diagram> = {}): Diagram {
  const base = {
    flow: "f",
    version: 1,
    code: null,
    triggers: [],
    if: null,
    unless: null,
    on_failure: [],
    on_cancel: [],
  };
  return { ...base, steps, count: steps.length, ...more } as Diagram;
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function within(inner: Box, outer: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

const branches = Array.from({ length: 12 }, (_, n) =>
  part("branch", `all.branches.b${n}.`, [
    step(`all.branches.b${n}.one`, [], { if: n % 2 ? "x" : null }),
    step(`all.branches.b${n}.two`, [part("undo", `all.branches.b${n}.two.`, [step(`all.branches.b${n}.two.undo`)])]),
  ]),
);
const big = flow([step("first"), step("all", branches), step("last")], {
  on_failure: [step("on_failure.tell")],
  if: "data.total > 0",
  triggers: Array.from({ length: 6 }, (_, n) => ({ key: `f/${n}`, kind: "event", when: "x", enabled: true })) as never,
});

test("boxes stand beside each other or in each other, never across", () => {
  const { boxes } = layout(big);
  for (const [n, a] of boxes.entries()) {
    for (const b of boxes.slice(n + 1)) expect(!overlap(a, b) || within(a, b) || within(b, a)).toBe(true);
  }
});

test("everything is in the drawing, and every line leads from a box to a box", () => {
  const { boxes, lines, width, height } = layout(big, [{ flow: "before", by: "call", event: null, path: null }]);
  const ids = new Set(boxes.map((box) => box.id));
  expect(ids.size).toBe(boxes.length);
  for (const { step } of stepsOf(big)) expect(ids.has(step.path)).toBe(true);
  for (const line of lines) expect(ids.has(line.from) && ids.has(line.to)).toBe(true);
  for (const box of boxes) expect(within(box, { ...box, x: 0, y: 0, width, height })).toBe(true);
});

test("many lanes stand in rows: a drawing is not a mile wide", () => {
  expect(layout(big).width).toBeLessThan(2_400);
});

test("a flow without triggers or steps is a drawing, too", () => {
  expect(layout(flow([], { code: "app:flow" })).boxes).toHaveLength(1);
  expect(layout(flow([])).boxes).toHaveLength(0);
});

test("five hundred steps in ten levels are laid out at once", () => {
  let inner: Step[] = [step("leaf")];
  for (let n = 0; n < 10; n += 1) {
    inner = [
      step(`g${n}`, [part("steps", `g${n}.`, inner)]),
      ...Array.from({ length: 50 }, (_, m) => step(`s${n}.${m}`)),
    ];
  }
  expect(layout(flow(inner)).boxes.length).toBeGreaterThan(500);
});
