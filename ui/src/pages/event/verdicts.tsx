/** Every flow's verdict of the event: those that it started first, then those that said no, then who listens elsewhere. */
import { useState } from "react";
import { Go, useFilters } from "@/app/go";
import { Bar } from "@/design/bar";
import { Button } from "@/design/button";
import { SearchField } from "@/design/fields";
import { Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Status } from "@/design/status";
import { plural } from "@/format/text";
import css from "./event.module.css";
import { TruthTable } from "./truth-table";
import { isStrange, type Verdict } from "./words";

const MOST = 100;

export function Verdicts({ verdicts }: { verdicts: readonly Verdict[] }) {
  const [filters, set] = useFilters();
  const [all, setAll] = useState(false);
  const wanted = (filters.flow ?? "").toLowerCase();
  const found = verdicts.filter((one) => one.flow.toLowerCase().includes(wanted));
  // Whoever asks why not of one flow sees it, also when it listens for something else.
  const shown = all || wanted ? found : found.filter((one) => !isStrange(one));
  const strange = found.length - shown.length;
  return (
    <Section title="What each flow made of it">
      <Bar label="Filters">
        <SearchField
          label="Why, or why not: name of a flow"
          value={filters.flow ?? ""}
          onSearch={(flow) => set({ flow })}
        />
        <span className="quiet">{summary(verdicts)}</span>
      </Bar>
      {shown.slice(0, MOST).map((one) => (
        <OneVerdict
          key={one.flow}
          verdict={one}
          open={wanted !== "" ? found.length === 1 || one.flow === filters.flow : one.started}
        />
      ))}
      {shown.length > MOST && <p className={css.pad}>{shown.length - MOST} more; search for one by its name.</p>}
      {shown.length === 0 && strange === 0 && <NoFlow wanted={wanted} />}
      {strange > 0 && (
        <div className={css.pad}>
          <Button look="plain" onClick={() => setAll(true)}>
            {plural(strange, "flow listens", "flows listen")} for something else: show {strange === 1 ? "it" : "them"}
          </Button>
        </div>
      )}
    </Section>
  );
}

function summary(verdicts: readonly Verdict[]): string {
  const started = verdicts.filter((one) => one.started).length;
  return `${plural(started, "flow")} of ${verdicts.length} started`;
}

function NoFlow({ wanted }: { wanted: string }) {
  if (wanted)
    return <Empty title="There is no flow of that name">Look at the list of flows for how it is called.</Empty>;
  return <Empty title="There are no flows">A flow that listens for such events would have been asked.</Empty>;
}

function OneVerdict({ verdict, open }: { verdict: Verdict; open: boolean }) {
  return (
    <details className={css.verdict} open={open} data-flow={verdict.flow}>
      <summary>
        <Status
          bare
          value={verdict.started ? "completed" : isStrange(verdict) ? "skipped" : "cancelled"}
          label={verdict.started ? "started" : "not started"}
        />
        <span className={css.name}>{verdict.flow}</span>
        <span className={css.reason}>{verdict.reason}</span>
      </summary>
      <div className={css.inner}>
        <p className={css.links}>
          {verdict.run_id && (
            <Go to={`/runs/${verdict.run_id}`} className="link">
              {verdict.started ? "The run" : "The run that it went into"}
            </Go>
          )}
          <Go to={`/flows/${encodeURIComponent(verdict.flow)}`} className="link">
            The flow{verdict.version === null ? "" : `, version ${verdict.version}`}
          </Go>
        </p>
        <TruthTable answers={verdict.verdicts} label={`Rules of ${verdict.flow}`} />
      </div>
    </details>
  );
}
