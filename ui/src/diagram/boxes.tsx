/** What stands in the boxes of a drawing. */
import type { Node as FlowNode, NodeProps } from "@xyflow/react";
import {
  ArrowRight,
  Clock,
  Code,
  EyeOff,
  Filter,
  type LucideIcon,
  Repeat1,
  RotateCw,
  ShieldAlert,
  TriangleAlert,
  Undo2,
} from "lucide-react";
import { memo } from "react";
import { Status, toneClass, toneOf } from "@/design/status";
import css from "./diagram.module.css";
import { iconOfStep, iconOfTrigger } from "./icons";
import { type Box, headHeight, isAside } from "./layout";
import type { Step as StepOf, StepState } from "./types";

export type Drawn = FlowNode<{ box: Box; state?: StepState; selected: boolean; wrong: boolean; follows: boolean }>;

/** Marks of a step: what happens when something goes wrong. */
export function marksOf(step: StepOf): readonly (readonly [LucideIcon, string])[] {
  const marks: [LucideIcon, string | false | null][] = [
    [RotateCw, step.retry && `retry: ${step.retry}`],
    [Clock, step.timeout && `timeout: ${step.timeout}`],
    [Clock, step.deadline && `deadline of all attempts: ${step.deadline}`],
    [Undo2, step.parts.some((part) => part.kind === "undo") && "is taken back when the flow fails later"],
    [ArrowRight, step.continue_on_error && "the flow goes on when it fails"],
    [Repeat1, step.at_most_once && "at most once: not tried again when it is unknown whether it was done"],
    [EyeOff, step.secret_output && "its output is not shown"],
  ];
  return marks.filter((mark): mark is [LucideIcon, string] => Boolean(mark[1]));
}

function conditionOf(step: StepOf): string {
  return [step.if && `if ${step.if}`, step.unless && `unless ${step.unless}`].filter(Boolean).join(", ");
}

export function StateMark({ state }: { state: StepState }) {
  const done = state.counts.completed ?? 0;
  const failed = state.counts.failed ?? 0;
  return (
    <span className={css.state}>
      {state.total > 1 && (
        <span className={css.counts}>
          {failed > 0 && <b>{failed} failed, </b>}
          {done}/{state.total}
        </span>
      )}
      {state.attempts > state.total && <span className={css.counts}>×{state.attempts}</span>}
      <Status value={state.status} bare label=" " />
      <span className="unseen">{state.status}</span>
    </span>
  );
}

function Head({ step, state, wrong }: { step: StepOf; state?: StepState; wrong: boolean }) {
  const Icon = iconOfStep(step.kind, step.action);
  const condition = conditionOf(step);
  return (
    <>
      {condition && (
        <div className={css.condition} title={condition}>
          <Filter aria-hidden />
          {condition}
        </div>
      )}
      <div className={css.head}>
        <Icon aria-hidden className={css.icon} />
        <div className={css.words}>
          <div className={css.name}>{step.name}</div>
          <div className={css.title} title={step.title}>
            {step.title}
          </div>
        </div>
        <span className={css.marks}>
          {wrong && <TriangleAlert className={css.wrong} aria-label="something is wrong here" />}
          {marksOf(step).map(([Mark, words]) => (
            <span key={words} title={words}>
              <Mark aria-hidden />
            </span>
          ))}
        </span>
        {state && <StateMark state={state} />}
      </div>
    </>
  );
}

function stateClass(state: StepState | undefined, follows: boolean): string {
  if (state) return `${css.stated} ${toneClass(toneOf(state.status))}`;
  return follows ? (css.unreached ?? "") : "";
}

export const StepBox = memo(function StepBox({ data }: NodeProps<Drawn>) {
  const { box, state, selected, wrong, follows } = data;
  const step = box.step as StepOf;
  const group = box.kind === "group";
  return (
    <div
      className={`${css.step} ${group ? css.group : ""} ${stateClass(state, follows)}`}
      data-path={step.path}
      data-status={state?.status}
      data-selected={selected || undefined}
    >
      <div className={css.card} style={{ height: headHeight(step) }}>
        <Head step={step} state={state} wrong={wrong} />
      </div>
    </div>
  );
});

export const LaneBox = memo(function LaneBox({ data }: NodeProps<Drawn>) {
  const { part } = data.box;
  if (!part) return null;
  return (
    <div className={`${css.lane} ${isAside(part) ? css.aside : ""}`}>
      <div className={css.label} title={part.label}>
        {part.label}
      </div>
    </div>
  );
});

export const StartBox = memo(function StartBox({ data }: NodeProps<Drawn>) {
  const { start } = data.box;
  if (!start) return null;
  const Icon = iconOfTrigger(start.kind);
  return (
    <div className={css.start} data-off={!start.enabled || undefined}>
      <Icon aria-hidden className={css.icon} />
      <div className={css.words} title={`when ${start.when}${start.if ? `, if ${start.if}` : ""}`}>
        <div className={css.when}>
          when {start.when}
          {start.if && `, if ${start.if}`}
        </div>
        {!start.enabled && <div className={css.title}>switched off</div>}
      </div>
    </div>
  );
});

export const PlainBox = memo(function PlainBox({ data }: NodeProps<Drawn>) {
  const { kind, text, neighbour } = data.box;
  const words = text ?? neighbour?.flow ?? "";
  const Icon = kind === "gate" ? Filter : kind === "code" ? Code : ShieldAlert;
  return (
    <div className={`${css.plain} ${css[kind] ?? ""}`} title={neighbour ? told(neighbour) : words}>
      {kind !== "flow" && <Icon aria-hidden />}
      <span>{words}</span>
    </div>
  );
});

function told({ flow, by, event }: { flow: string; by: string; event?: string | null }): string {
  const how = { call: "by a call", event: `by the event ${event ?? ""}`, run: "by the end of a run" }[by] ?? by;
  return `flow ${flow}, ${how}`;
}
