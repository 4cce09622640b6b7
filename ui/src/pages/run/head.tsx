/** What a run is, in a few facts: each leads to what it speaks of. */
import { Go } from "@/app/go";
import { Id, shortId } from "@/design/data";
import { Facts, Section } from "@/design/page";
import { Span, Time } from "@/design/time";
import type { RunWhole } from "./queries";

export function Head({ run }: { run: RunWhole }) {
  const flow = (
    <>
      <Go to={`/flows/${encodeURIComponent(run.flow)}`} className="link">
        {run.flow}
      </Go>{" "}
      <span className="quiet">version {run.version}</span>
    </>
  );
  const started = run.started_at ? <Time at={run.started_at} exact /> : <span className="quiet">not yet</span>;
  const took = run.started_at ? <Span from={run.started_at} to={run.finished_at} /> : <span className="quiet">–</span>;
  const because = <Because run={run} />;
  const parent = run.parent_id && <RunLink id={run.parent_id} />;
  const origin = run.forked_from && <RunLink id={run.forked_from} />;
  const items = [
    ["Flow", flow],
    ["Started", started],
    ["Took", took],
    ["Because of", because],
    ["Called by", parent],
    ["Fork of", origin],
  ] as const;
  return (
    <Section padded>
      <Facts items={items.filter(([, value]) => value)} />
    </Section>
  );
}

function RunLink({ id }: { id: string }) {
  return (
    <Id id={id}>
      <Go to={`/runs/${id}`} className="link" title={id}>
        {shortId(id)}
      </Go>
    </Id>
  );
}

function Because({ run }: { run: RunWhole }) {
  if (!run.event_id) return <span>{run.parent_id ? "a call" : "somebody who started it"}</span>;
  return (
    <>
      <Go to={`/events/${run.event_id}`} className="link mono" title={run.event_id}>
        {shortId(run.event_id)}
      </Go>{" "}
      {run.trigger && <span className="quiet">through {run.trigger}</span>}
    </>
  );
}
