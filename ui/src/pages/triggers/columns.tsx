/** A line for each trigger. The reason stands in the list: who looks here wants to know why. */
import { address, Go } from "@/app/go";
import { Badge, Status } from "@/design/status";
import type { Column } from "@/design/table";
import { Time } from "@/design/time";
import { count } from "@/format/text";
import type { Trigger } from "./triggers";
import css from "./triggers.module.css";

/** Kinds whose events carry a source of their own, and are found by the runs they started. */
const OWN_SOURCE = new Set(["file", "schedule", "webhook", "event", "run", "pattern"]);

export function eventsOf(row: Trigger): string {
  return OWN_SOURCE.has(row.kind)
    ? address("/runs", { trigger: row.key })
    : address("/events", { source: `reactor/triggers/${row.key}` });
}

export function lettersOf(row: Trigger): string {
  return address("/dead-letters", { trigger: row.key });
}

export const columns: readonly Column<Trigger>[] = [
  { name: "State", width: "104px", cell: (row) => <Status value={row.state} /> },
  { name: "Trigger", cell: (row) => <Says row={row} /> },
  { name: "Since", width: "88px", wide: true, cell: (row) => <Time at={row.since} /> },
  { name: "Last event", width: "96px", secondary: true, cell: (row) => <Time at={row.last_event_at} /> },
  { name: "Events", width: "78px", right: true, secondary: true, cell: (row) => <Events row={row} /> },
  { name: "Errors", width: "74px", right: true, wide: true, cell: (row) => <Errors row={row} /> },
  { name: "Behind", width: "78px", right: true, wide: true, cell: (row) => <Lag row={row} /> },
  { name: "Dead", width: "68px", right: true, secondary: true, cell: (row) => <Letters row={row} /> },
  { name: "Next", width: "86px", wide: true, cell: (row) => <Time at={row.next_at} /> },
];

function Says({ row }: { row: Trigger }) {
  const bad = row.state === "failed";
  return (
    <span className={css.says}>
      <span className={css.line}>
        <Go to={`/flows/${encodeURIComponent(row.flow)}`} className={`link ${css.flow}`}>
          {row.flow}
        </Go>
        <Badge>{row.kind}</Badge>
        {row.gap && <Badge tone="bad">gap</Badge>}
        <span className="quiet">{row.says ? `when ${row.says}` : row.key}</span>
      </span>
      {row.reason && (
        <span className={`${css.reason} ${bad ? css.bad : ""}`} title={row.reason}>
          {row.reason}
        </span>
      )}
    </span>
  );
}

function Events({ row }: { row: Trigger }) {
  if (row.events === 0) return <span className="quiet">0</span>;
  return (
    <Go to={eventsOf(row)} className="counted">
      {count(row.events)}
    </Go>
  );
}

function Errors({ row }: { row: Trigger }) {
  return <span className={row.errors ? css.bad : "quiet"}>{count(row.errors)}</span>;
}

function Lag({ row }: { row: Trigger }) {
  if (row.lag === null || row.state === "failed") return <span className="quiet">–</span>;
  return <span className={row.state === "lagging" ? css.warn : ""}>{count(row.lag)}</span>;
}

function Letters({ row }: { row: Trigger }) {
  if (row.letters === 0) return <span className="quiet">0</span>;
  return (
    <Go to={lettersOf(row)} className={`counted ${css.bad}`}>
      {count(row.letters)}
    </Go>
  );
}
