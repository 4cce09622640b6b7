/**
 * A flow as a drawing, or as a list of the same steps; with the states of a run on it where there are some.
 *
 * ```tsx
 * <FlowDiagram diagram={whole.diagram} states={states} selected={path} onSelect={choose} onOpen={open} />
 * ```
 */
import { ListTree, Workflow } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Loading } from "@/design/states";
import css from "./diagram.module.css";
import { StepList } from "./list";
import type { FlowDiagramProps } from "./types";

export { type Diagram, type FlowDiagramProps, type StepState, stepsOf } from "./types";

const Canvas = lazy(() => import("./canvas"));

const SHAPES = [
  ["drawing", "Drawing", Workflow],
  ["list", "List", ListTree],
] as const;

/** On a phone a drawing is more moved about than read: the list comes first there. */
function first(): "drawing" | "list" {
  return window.matchMedia("(max-width: 640px)").matches ? "list" : "drawing";
}

export function FlowDiagram(props: FlowDiagramProps) {
  const [shape, setShape] = useState(first);
  return (
    <div className={css.diagram}>
      <fieldset className={css.shapes}>
        <legend className="unseen">Show the steps as</legend>
        {SHAPES.map(([value, label, Icon]) => (
          <button key={value} type="button" aria-pressed={shape === value} onClick={() => setShape(value)}>
            <Icon aria-hidden />
            {label}
          </button>
        ))}
      </fieldset>
      {shape === "list" ? (
        <StepList {...props} />
      ) : (
        <Suspense fallback={<Loading lines={8} label="Loading the drawing" />}>
          <Canvas {...props} />
        </Suspense>
      )}
    </div>
  );
}
