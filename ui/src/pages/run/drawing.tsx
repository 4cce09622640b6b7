/** The run on the drawing of its flow. */
import { useMemo } from "react";
import { Empty, Shown, Strip } from "@/design/states";
import { FlowDiagram, type StepState } from "@/diagram";
import { isOver, type RunWhole, useDrawing } from "./queries";
import css from "./run.module.css";

const ITERATION = /(?<!\.cases)\[\d+\]/g;

export function Drawing({
  run,
  step,
  onSelect,
}: {
  run: RunWhole;
  step: string | null;
  onSelect: (path: string) => void;
}) {
  const drawing = useDrawing(run.id, true);
  const states = useMemo(
    () => new Map((drawing.data?.states ?? []).map((state) => [state.path, state as StepState] as const)),
    [drawing.data],
  );
  // A box stands for all iterations: it leads to the one that failed, or else to the last.
  const open = (path: string) => {
    const state = drawing.data?.states.find((each) => each.path === path);
    onSelect(state?.failed ?? state?.last ?? path);
  };
  return (
    <section className={css.sheet} aria-label="Diagram">
      <Shown value={drawing.data} error={drawing.error} again={() => void drawing.refetch()}>
        {(found) =>
          found.diagram ? (
            <>
              {found.gone.length > 0 && (
                <Strip tone="warn">Not on this drawing, but done: {found.gone.slice(0, 20).join(", ")}</Strip>
              )}
              <FlowDiagram
                diagram={found.diagram}
                states={states}
                selected={step?.replace(ITERATION, "[]") ?? null}
                onSelect={open}
              />
            </>
          ) : (
            <Empty title="There is no drawing">
              Version {run.version} of {run.flow} cannot be read any more.{!isOver(run) && " The run waits for it."}
            </Empty>
          )
        }
      </Shown>
    </section>
  );
}
