/** A text against the events of the past: what would have started, been dropped, or gone another way. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { Shapes } from "@/api/client";
import { address, Go } from "@/app/go";
import { Button } from "@/design/button";
import { shortId } from "@/design/data";
import { Choice } from "@/design/fields";
import { Empty, Failure, Loading, Strip } from "@/design/states";
import { Badge } from "@/design/status";
import { Table } from "@/design/table";
import { Time } from "@/design/time";
import { count, plural } from "@/format/text";
import { ask } from "./checked";
import css from "./write.module.css";

type Simulated = Shapes["Simulated"];
type Event = Shapes["SimulatedEvent"];

const SINCE = [
  ["1h", "the last hour"],
  ["24h", "the last 24 hours"],
  ["7d", "the last 7 days"],
  ["", "all that is kept"],
] as const;

export function Simulate({ text, ready }: { text: string; ready: boolean | undefined }) {
  const [since, setSince] = useState("24h");
  const work = useMutation({
    mutationFn: (written: string) =>
      ask<Simulated>(address("/api/v1/flows/simulate", { since, limit: 2_000 }), written),
  });
  return (
    <div className={css.simulate}>
      <div className={css.row}>
        <span>What would this text have done with the events of</span>
        <Choice label="Since" options={SINCE} value={since} onChange={(event) => setSince(event.target.value)} />
        <Button look="main" disabled={!ready || work.isPending} onClick={() => work.mutate(text)}>
          Simulate
        </Button>
      </div>
      <p className="quiet">Nothing is done and nothing is changed.</p>
      {work.isPending && <Loading lines={4} label="Simulating" />}
      {work.error && <Failure error={work.error} />}
      {work.data && !work.isPending && <Result found={work.data} />}
    </div>
  );
}

function Result({ found }: { found: Simulated }) {
  return (
    <>
      <Strip tone={found.differences > 0 ? "warn" : found.recorded.unknown ? "busy" : "good"}>
        {verdict(found)} ({found.more ? "the newest " : ""}
        {plural(found.events, "event")} looked at).
      </Strip>
      <Outcomes found={found} />
      {found.notes.map((note) => (
        <p key={note} className="quiet">
          {note}
        </p>
      ))}
      <Table
        label="Events"
        columns={COLUMNS}
        rows={found.items}
        id={(event) => event.event_id}
        to={(event) => `/events/${encodeURIComponent(event.event_id)}`}
        empty={<Empty title="No event means anything to this flow">Send one, or look further back.</Empty>}
        height="420px"
      />
    </>
  );
}

function verdict(found: Simulated): string {
  if (found.differences > 0) return `${plural(found.differences, "event")} would have gone another way`;
  if (found.recorded.unknown) {
    const started = plural(found.simulated.started ?? 0, "event");
    return `${started} would have started a run; what was then cannot be known, the flow was not there yet`;
  }
  return "Everything would have gone as it did";
}

function Outcomes({ found }: { found: Simulated }) {
  // `unknown.later` tells more of `unknown`, and is counted there.
  const all = [...Object.keys(found.recorded), ...Object.keys(found.simulated)];
  const names = [...new Set(all.filter((name) => !name.includes(".")))].sort();
  if (names.length === 0) return null;
  return (
    <table className={css.outcomes}>
      <thead>
        <tr>
          <th scope="col">What became of them</th>
          <th scope="col">was</th>
          <th scope="col">would be</th>
        </tr>
      </thead>
      <tbody>
        {names.map((name) => (
          <tr key={name}>
            <th scope="row">{words(name)}</th>
            <td>{count(found.recorded[name] ?? 0)}</td>
            <td>{count(found.simulated[name] ?? 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function words(outcome: string): string {
  return outcome.replaceAll("_", " ");
}

const COLUMNS = [
  {
    name: "Event",
    width: "150px",
    cell: (event: Event) => (
      <Go to={`/events/${encodeURIComponent(event.event_id)}`} className="mono link" title={event.event_id}>
        {shortId(event.event_id)}
      </Go>
    ),
  },
  { name: "When", width: "84px", secondary: true, cell: (event: Event) => <Time at={event.time} /> },
  { name: "Was → would be", cell: (event: Event) => <Fate event={event} /> },
];

function Fate({ event }: { event: Event }) {
  const path = event.path && !event.path.same ? event.path : null;
  const why = path ? (path.error ?? path.diverges.map((one) => `${one.path}: ${one.kind}`).join(", ")) : "";
  return (
    <span title={[event.simulated.reason, why].filter(Boolean).join("; ")}>
      {words(event.recorded.outcome)}
      {event.recorded.outcome !== event.simulated.outcome && <> → {words(event.simulated.outcome)}</>}{" "}
      {event.differs && <Badge tone="warn">{path ? "another path" : "differs"}</Badge>}{" "}
      <span className="quiet">{why || event.simulated.reason}</span>
    </span>
  );
}
