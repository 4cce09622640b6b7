/** What a flow does, as a promise and as a drawing, and how it has kept it. */
import { address, Go, useFilters } from "@/app/go";
import { Sparkline } from "@/design/data";
import { Facts, Section } from "@/design/page";
import { Shown } from "@/design/states";
import { Badge } from "@/design/status";
import { Time } from "@/design/time";
import { FlowDiagram } from "@/diagram";
import { count, percent, plural, span, unturned } from "@/format/text";
import { useDrawing, useFigures } from "./data";
import css from "./flow.module.css";
import { Latest } from "./latest";
import { Promise_ } from "./promise";
import { StepFacts } from "./step-facts";
import { TriggerTruth } from "./triggers";
import type { FlowWhole } from "./types";

export function Overview({ flow }: { flow: FlowWhole }) {
  return (
    <div className={css.columns}>
      <div className={css.main}>
        <Section title="What it does" padded>
          <p className={css.lead}>{unturned(flow.sentence)}</p>
          {flow.reads.length > 1 && (
            <details className={css.lines}>
              <summary>Line by line</summary>
              <Promise_ flow={flow} />
            </details>
          )}
        </Section>
        <Drawing flow={flow} />
      </div>
      <div className={css.beside}>
        <Figures flow={flow} />
        <TriggerTruth flow={flow} />
        <Latest flow={flow} />
      </div>
    </div>
  );
}

function Drawing({ flow }: { flow: FlowWhole }) {
  const [filters, setFilters] = useFilters();
  const drawing = useDrawing(flow.name, flow.version);
  return (
    <Section title="Steps">
      <Shown value={drawing.data} error={drawing.error} again={() => void drawing.refetch()}>
        {({ diagram, before, after }) => (
          <>
            <FlowDiagram
              diagram={diagram}
              before={before}
              after={after}
              selected={filters.step}
              onSelect={(step) => setFilters({ step })}
            />
            <StepFacts diagram={diagram} flow={flow} path={filters.step} />
          </>
        )}
      </Shown>
    </Section>
  );
}

function Figures({ flow }: { flow: FlowWhole }) {
  const query = useFigures(flow.name);
  const one = query.data?.one;
  const runs = (more: Record<string, string> = {}) =>
    address("/runs", { flow: flow.name, finished_since: query.data?.since, ...more });
  const label = one ? `${plural(one.runs, "run")} ended in the last 24 hours, ${one.failed} of them failed` : "";
  return (
    <Section title="Last 24 hours" padded>
      <div className={css.figures}>
        {one && one.runs > 0 ? (
          <Go to={runs()} title={label}>
            <Sparkline values={one.line_runs} marks={one.line_failed} label={label} />
          </Go>
        ) : (
          <p className="quiet">No run has ended.</p>
        )}
        <Facts
          items={[
            ["Runs", <Counted key="runs" n={one?.runs} to={runs()} />],
            ["Failed", <Counted key="failed" n={one?.failed} to={runs({ status: "failed" })} bad />],
            ["Success", one?.success_rate == null ? "–" : percent(one.success_rate)],
            ["Half took at most", one?.p50 == null ? "–" : span(one.p50)],
            ["95 % took at most", one?.p95 == null ? "–" : span(one.p95)],
            ["Next start", <Time key="next" at={nextOf(flow)} />],
            [
              "File",
              <span key="file" className="mono">
                {flow.file ?? "none: it is in the store"}
              </span>,
            ],
            ["Labels", <Labels key="labels" labels={flow.labels} />],
          ]}
        />
      </div>
    </Section>
  );
}

function Counted({ n, to, bad }: { n: number | undefined; to: string; bad?: boolean }) {
  if (!n) return <span className="number">{n ?? "–"}</span>;
  return (
    <Go to={to} className={`counted number ${bad ? css.bad : ""}`}>
      {count(n)}
    </Go>
  );
}

function Labels({ labels }: { labels: Record<string, string> }) {
  const all = Object.entries(labels);
  if (all.length === 0) return <span className="quiet">none</span>;
  return (
    <span className={css.labels}>
      {all.map(([name, value]) => (
        <Go key={name} to={address("/flows", { label: `${name}=${value}` })}>
          <Badge>
            {name}={value}
          </Badge>
        </Go>
      ))}
    </span>
  );
}

function nextOf(flow: FlowWhole): string | null {
  const times = flow.enabled ? flow.triggers.flatMap((trigger) => (trigger.next_at ? [trigger.next_at] : [])) : [];
  return times.sort()[0] ?? null;
}
