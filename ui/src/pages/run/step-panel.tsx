/** One step: what went in, what came out, each attempt, and what it has to do with others. */
import { GitCompare, GitFork, RotateCw, X } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { api, Refusal, type Shapes } from "@/api/client";
import { address, Go, useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Button, IconButton } from "@/design/button";
import { Copy, shortId } from "@/design/data";
import { doing } from "@/design/overlays";
import { Empty, Loading, Shown } from "@/design/states";
import { Status } from "@/design/status";
import { Span, Time } from "@/design/time";
import { isOver, type RunWhole, useStep, useTimeline } from "./queries";
import css from "./run.module.css";
import { Value } from "./value";

const Compare = lazy(() => import("./compare"));

export type StepWhole = Shapes["StepWhole"];

interface PanelProps {
  run: RunWhole;
  path: string;
  onClose: () => void;
  onSelect: (path: string) => void;
}

export function StepPanel({ run, path, onClose, onSelect }: PanelProps) {
  const step = useStep(run.id, path, !isOver(run));
  const unknown = step.error instanceof Refusal && step.error.status === 404;
  return (
    <aside className={css.panel} aria-label={`Step ${path}`} onKeyDown={(event) => event.key === "Escape" && onClose()}>
      <header className={css.panelHead}>
        <h2 title={path}>{path}</h2>
        <Copy text={path} label="Copy the path" />
        <IconButton label="Close the step" onClick={onClose}>
          <X aria-hidden />
        </IconButton>
      </header>
      {unknown ? (
        <Around run={run} path={path} onSelect={onSelect} />
      ) : (
        <Shown value={step.data} error={step.error} again={() => void step.refetch()}>
          {(found) => <Body key={path} run={run} step={found} />}
        </Shown>
      )}
    </aside>
  );
}

/** A branch or iteration that has not ended: the journal speaks only of what is in it. */
function Around({ run, path, onSelect }: Omit<PanelProps, "onClose">) {
  const line = useTimeline(run.id, false);
  const inside = [...(line.data?.lanes.keys() ?? [])].filter(
    (each) => each.startsWith(`${path}.`) || each.startsWith(`${path}[`),
  );
  if (inside.length === 0) return <Empty title="The run has not come to this step" />;
  return (
    <div className={css.panelPart}>
      <p className="quiet">It is told when it ends. In it so far:</p>
      <ul>
        {inside.slice(0, 50).map((each) => (
          <li key={each}>
            <button type="button" className="link mono" onClick={() => onSelect(each)}>
              {each}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Body({ run, step }: { run: RunWhole; step: StepWhole }) {
  return (
    <>
      <div className={css.panelPart}>
        <p className={css.line}>
          <Status value={step.status} />
          <span className="quiet">{step.action}</span>
          {step.started_at && (
            <span className="quiet">
              <Time at={step.started_at} exact /> · <Span from={step.started_at} to={step.finished_at} />
            </span>
          )}
        </p>
        <Others step={step} />
        <Does run={run} step={step} />
      </div>
      {step.error && <Failure step={step} />}
      {step.history.length > 1 && <Attempts step={step} />}
      <Value title="Input" value={step.input} name={`${step.path}.input`} />
      <Value title="Output" value={step.output} name={`${step.path}.output`} />
    </>
  );
}

function Failure({ step }: { step: StepWhole }) {
  if (!step.error) return null;
  return (
    <div className={`${css.panelPart} ${css.error}`}>
      <h3>{step.status === "failed" ? "Why it failed" : "The last attempt failed"}</h3>
      <p className={css.said}>
        <b className="mono">{step.error.kind}</b> {step.error.message}
      </p>
    </div>
  );
}

/** Who else has to do with it. */
function Others({ step }: { step: StepWhole }) {
  const found = [
    step.child_id && (
      <p key="child">
        It called{" "}
        <Go to={`/runs/${step.child_id}`} className="link mono">
          {shortId(step.child_id)}
        </Go>
      </p>
    ),
    step.event_id && (
      <p key="event">
        It took the event{" "}
        <Go to={`/events/${encodeURIComponent(step.event_id)}`} className="link mono">
          {shortId(step.event_id)}
        </Go>
      </p>
    ),
    step.approval && <p key="asked">It asked: {step.approval}</p>,
    ...step.decisions.map((one) => (
      <p key={`${one.by} ${one.at}`}>
        {one.by}: {one.decision === "approve" ? "approved" : "rejected"} <Time at={one.at} />
      </p>
    )),
    step.winner && <p key="winner">The branch {step.winner} decided it.</p>,
    step.case !== null && <p key="case">{step.case < 0 ? "No case held." : `Case ${step.case + 1} held.`}</p>,
  ].filter(Boolean);
  return found.length > 0 ? <div className={css.others}>{found}</div> : null;
}

function Does({ run, step }: { run: RunWhole; step: StepWhole }) {
  const may = useMay("editor");
  const [, set] = useFilters();
  const [compare, setCompare] = useState(false);
  const loop = /^(.*)\[(\d+)\]/.exec(step.path);
  const retry = may && isOver(run) && run.status !== "completed" && run.error?.step === step.path;
  return (
    <div className={css.does}>
      {retry && (
        <Button
          onClick={() =>
            doing(api.POST("/api/v1/runs/{id}/retry", { params: { path: { id: run.id } } }), "It is taken up again.")
          }
        >
          <RotateCw aria-hidden /> Retry from here
        </Button>
      )}
      {may && !loop && !step.path.includes(".") && (
        <Button onClick={() => set({ fork: step.path })}>
          <GitFork aria-hidden /> Fork from here
        </Button>
      )}
      {(loop || step.history.length > 1) && (
        <Button onClick={() => setCompare(true)}>
          <GitCompare aria-hidden /> Compare
        </Button>
      )}
      <Go to={address(`/runs/${run.id}`, { tab: "logs", step: step.path, of: step.path })} className="link">
        Its logs
      </Go>
      <span className={css.expression}>
        <code>{expression(step)}</code>
        <Copy text={expression(step)} label="Copy the expression" />
      </span>
      {compare && (
        <Suspense fallback={<Loading />}>
          <Compare run={run} step={step} onClose={() => setCompare(false)} />
        </Suspense>
      )}
    </div>
  );
}

/** How the flow speaks of what the step gave. */
function expression(step: StepWhole): string {
  const name = step.name.replace(/\[\d+\]$/, "");
  return /^[A-Za-z_]\w*$/.test(name) ? `steps.${name}.output` : `steps[${JSON.stringify(name)}].output`;
}

function Attempts({ step }: { step: StepWhole }) {
  return (
    <div className={css.panelPart}>
      <h3>{step.history.length} attempts</h3>
      <ol className={css.attempts}>
        {step.history.map((one) => (
          <li key={one.started_at}>
            <p className={css.line}>
              <Status
                value={one.error ? "failed" : one.finished_at ? step.status : "running"}
                bare
                label={`attempt ${one.attempt}`}
              />
              <span className="quiet">
                <Time at={one.started_at} exact /> · <Span from={one.started_at} to={one.finished_at} />
              </span>
            </p>
            {one.error && (
              <p className={css.said}>
                <b className="mono">{one.error.kind}</b> {one.error.message}
              </p>
            )}
            {one.next_at && (
              <p className="quiet">
                the next one at <Time at={one.next_at} exact />
              </p>
            )}
          </li>
        ))}
      </ol>
    </div>
  );
}
