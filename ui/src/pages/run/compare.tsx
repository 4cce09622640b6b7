/** What is different between two iterations of a step. It comes lazily. */
import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { getNonce } from "get-nonce";
import { useEffect, useMemo, useRef, useState } from "react";
import { Choice, Input } from "@/design/fields";
import { Dialog } from "@/design/overlays";
import { Empty, Shown } from "@/design/states";
import { type RunWhole, useStep } from "./queries";
import css from "./run.module.css";
import type { StepWhole } from "./step-panel";

const PARTS = [
  ["output", "Output"],
  ["input", "Input"],
  ["error", "Error"],
] as const;

interface CompareProps {
  run: RunWhole;
  step: StepWhole;
  onClose: () => void;
}

export default function Compare({ run, step, onClose }: CompareProps) {
  const loop = /^(.*?)\[(\d+)\](.*)$/.exec(step.path);
  return (
    <Dialog
      title={`Compare ${step.path}`}
      says="What was there before is red, what is here is green."
      open
      onOpen={onClose}
      wide
    >
      {loop ? <Iterations run={run} step={step} loop={loop} /> : <Attempts step={step} />}
    </Dialog>
  );
}

function Iterations({ run, step, loop }: { run: RunWhole; step: StepWhole; loop: RegExpExecArray }) {
  const [, before = "", number = "0", after = ""] = loop;
  const own = Number(number);
  const [other, setOther] = useState(own === 0 ? 1 : own - 1);
  const [part, setPart] = useState<"output" | "input" | "error">("output");
  const found = useStep(run.id, `${before}[${other}]${after}`, false);
  return (
    <>
      <div className={css.compared}>
        <Input
          label={`Iteration ${own} compared with iteration`}
          type="number"
          min={0}
          value={other}
          onChange={(event) => setOther(Math.max(0, Math.trunc(Number(event.target.value)) || 0))}
        />
        <Choice
          label="What"
          value={part}
          options={PARTS}
          onChange={(event) => setPart(event.target.value as typeof part)}
        />
      </div>
      <Shown value={found.data} error={found.error}>
        {(one) => <Difference before={one[part]} after={step[part]} />}
      </Shown>
    </>
  );
}

/** Attempts have the same input; what differs is how they ended. */
function Attempts({ step }: { step: StepWhole }) {
  const options = step.history.map((one, n) => [String(n), `attempt ${one.attempt} (${one.started_at})`] as const);
  const [left, setLeft] = useState(String(step.history.length - 2));
  const [right, setRight] = useState(String(step.history.length - 1));
  const of = (n: string) => {
    const one = step.history[Number(n)];
    return (
      one && { error: one.error, millis: one.finished_at && Date.parse(one.finished_at) - Date.parse(one.started_at) }
    );
  };
  return (
    <>
      <div className={css.compared}>
        <Choice
          label="The one before"
          value={left}
          options={options}
          onChange={(event) => setLeft(event.target.value)}
        />
        <Choice
          label="The one here"
          value={right}
          options={options}
          onChange={(event) => setRight(event.target.value)}
        />
      </div>
      <Difference before={of(left)} after={of(right)} />
    </>
  );
}

function Difference({ before, after }: { before: unknown; after: unknown }) {
  const place = useRef<HTMLDivElement>(null);
  const [old, now] = useMemo(
    () => [before, after].map((value) => JSON.stringify(value ?? null, null, 2)),
    [before, after],
  );
  useEffect(() => {
    if (!place.current || old === now) return;
    const view = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: now,
        extensions: [
          lineNumbers(),
          EditorView.editable.of(false),
          EditorView.lineWrapping,
          EditorView.cspNonce.of(getNonce() ?? ""),
          EditorView.contentAttributes.of({ "aria-label": "Difference", tabindex: "0" }),
          unifiedMergeView({ original: old ?? "", mergeControls: false, collapseUnchanged: { margin: 3 } }),
        ],
      }),
    });
    return () => view.destroy();
  }, [old, now]);
  if (old === now) return <Empty title="There is no difference" />;
  return <div ref={place} className={css.difference} />;
}
