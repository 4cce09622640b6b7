/** What a drawing is made of: the shapes of the API, and what stands on them. */
import type { Shapes } from "@/api/client";

export type Diagram = Shapes["Diagram"];
export type Step = Shapes["Node"];
export type Part = Shapes["Part"];
export type Start = Shapes["Start"];
export type Neighbour = Shapes["Neighbour"];

/** How the step at one place stands in a run, all its iterations together; `DrawnState` of the API fits. */
export interface StepState {
  status: string;
  attempts: number;
  /** Iterations that have come to it. */
  total: number;
  /** Status → how many iterations have it. */
  counts: Readonly<Record<string, number>>;
}

export interface FlowDiagramProps {
  diagram: Diagram;
  /** By path as in the drawing (`each[].read`). None: the flow as such. */
  states?: ReadonlyMap<string, StepState>;
  /** Path of the step that is chosen. */
  selected?: string | null;
  onSelect?: (path: string) => void;
  /** Enter or a double click on a step; without it, both only choose. */
  onOpen?: (path: string) => void;
  /** Flows that lead here, and that this one leads to. */
  before?: readonly Neighbour[];
  after?: readonly Neighbour[];
  /** Paths of steps with something wrong. */
  wrong?: ReadonlySet<string>;
  /** CSS height of the drawing; else as high as it needs, up to most of the window. */
  height?: string;
}

/** All steps of a flow in the order of the file, with the step that they are in. */
export function* stepsOf(diagram: Diagram): Generator<{ step: Step; inside: Step | null; depth: number }> {
  yield* walk(diagram.steps, null, 0);
  yield* walk(diagram.on_failure, null, 0);
  yield* walk(diagram.on_cancel, null, 0);
}

function* walk(
  steps: readonly Step[],
  inside: Step | null,
  depth: number,
): Generator<{ step: Step; inside: Step | null; depth: number }> {
  for (const step of steps) {
    yield { step, inside, depth };
    for (const part of step.parts) yield* walk(part.steps, step, depth + 1);
  }
}
