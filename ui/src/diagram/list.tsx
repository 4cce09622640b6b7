/** The same as the drawing, as text: for screen readers, for phones, and for who likes lists. */
import { Status } from "@/design/status";
import css from "./diagram.module.css";
import { iconOfStep } from "./icons";
import type { FlowDiagramProps, Part, Step } from "./types";

type Props = Pick<FlowDiagramProps, "states" | "selected" | "onSelect" | "onOpen" | "wrong">;

export function StepList({ diagram, ...rest }: FlowDiagramProps) {
  const starts = diagram.triggers.map((start) => `When ${start.when}${start.if ? `, if ${start.if}` : ""}`);
  const gates = [diagram.if && `only if ${diagram.if}`, diagram.unless && `unless ${diagram.unless}`].filter(Boolean);
  return (
    <div className={css.list}>
      {[...starts, ...gates].map((line) => (
        <p key={line} className={css.listed}>
          {line}
        </p>
      ))}
      {diagram.code && <p className={css.listed}>then the Python function {diagram.code} runs</p>}
      <Steps steps={diagram.steps} label={`Steps of ${diagram.flow}`} {...rest} />
      {diagram.on_failure.length > 0 && <Aside label="If the flow fails" steps={diagram.on_failure} {...rest} />}
      {diagram.on_cancel.length > 0 && <Aside label="If it is cancelled" steps={diagram.on_cancel} {...rest} />}
    </div>
  );
}

function Aside({ label, steps, ...rest }: Props & { label: string; steps: readonly Step[] }) {
  return (
    <>
      <p className={css.partLabel}>{label}</p>
      <Steps steps={steps} label={label} {...rest} />
    </>
  );
}

function Steps({ steps, label, ...rest }: Props & { steps: readonly Step[]; label: string }) {
  return (
    <ol className={css.steps} aria-label={label}>
      {steps.map((step) => (
        <li key={step.path}>
          <Line step={step} {...rest} />
          {step.parts.map((part: Part) => (
            <div key={`${part.kind} ${part.path} ${part.label}`} className={css.inner}>
              <p className={css.partLabel}>{part.label}</p>
              <Steps steps={part.steps} label={`${step.name}: ${part.label}`} {...rest} />
            </div>
          ))}
        </li>
      ))}
    </ol>
  );
}

function Line({ step, states, selected, onSelect, onOpen, wrong }: Props & { step: Step }) {
  const state = states?.get(step.path);
  const Icon = iconOfStep(step.kind, step.action);
  const open = onOpen ?? onSelect;
  return (
    <button
      type="button"
      className={css.listed}
      data-path={step.path}
      aria-current={step.path === selected ? "step" : undefined}
      onClick={() => open?.(step.path)}
    >
      <Icon aria-hidden />
      <span className={css.name}>{step.name}</span>
      <span className={css.listTitle}>
        {step.title}
        {step.if && `, only if ${step.if}`}
        {step.unless && `, unless ${step.unless}`}
        {wrong?.has(step.path) && " — something is wrong here"}
      </span>
      {state && <Status value={state.status} bare label={words(state.status, state.total)} />}
    </button>
  );
}

function words(status: string, total: number): string {
  return total > 1 ? `${status} (${total})` : status;
}
