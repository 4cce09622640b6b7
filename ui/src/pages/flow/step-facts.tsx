/** The step that is chosen in the drawing: everything that the drawing has no room for. */
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { address, Go, useFilters } from "@/app/go";
import { IconButton } from "@/design/button";
import { Facts } from "@/design/page";
import { type Diagram, stepsOf } from "@/diagram";
import css from "./flow.module.css";
import { FlowLink } from "./promise";
import type { FlowWhole } from "./types";

export function StepFacts({ diagram, flow, path }: { diagram: Diagram; flow: FlowWhole; path: string | undefined }) {
  const [, setFilters] = useFilters();
  if (!path) return null;
  const step = [...stepsOf(diagram)].find((one) => one.step.path === path)?.step;
  if (!step) return null;
  const facts: (readonly [string, ReactNode])[] = [
    ["Path", <span key="path" className="mono">{`${step.path}`}</span>],
    ["Kind", step.action ?? step.kind],
    ["Only if", step.if],
    ["Unless", step.unless],
    ["Tried again", step.retry],
    ["Timeout", step.timeout],
    ["Deadline", step.deadline],
    ["When it fails", step.continue_on_error && "the flow goes on"],
    ["Delivery", step.at_most_once && "at most once"],
    ["Output", step.secret_output && "is not shown"],
    ["Flow", step.flow && <FlowLink key="flow" name={step.flow} />],
    ["Event", step.event && <Event key="event" type={step.event} />],
    ["In the text", <Line key="line" flow={flow} line={step.line} />],
  ];
  return (
    <section className={css.step} aria-label={`Step ${step.name}`}>
      <div className={css.stepHead}>
        <h3>{step.name}</h3>
        <span className="quiet">{step.title}</span>
        <IconButton label="Put the step away" onClick={() => setFilters({ step: undefined })}>
          <X aria-hidden />
        </IconButton>
      </div>
      <Facts items={facts.filter(([, value]) => Boolean(value))} />
    </section>
  );
}

function Event({ type }: { type: string }) {
  return (
    <Go className="link" to={address("/events", { type })}>
      {type}
    </Go>
  );
}

function Line({ flow, line }: { flow: FlowWhole; line: number }) {
  return (
    <Go className="link" to={address(`/flows/${encodeURIComponent(flow.name)}`, { tab: "yaml", line })}>
      line {line}
    </Go>
  );
}
