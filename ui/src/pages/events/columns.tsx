/** What of an event the list shows. */
import type { Shapes } from "@/api/client";
import { address, Go } from "@/app/go";
import { Status } from "@/design/status";
import type { Column } from "@/design/table";
import { Time } from "@/design/time";
import { bytes } from "@/format/text";
import css from "./events.module.css";

export type EventRow = Shapes["EventListed"];

export const columns: readonly Column<EventRow>[] = [
  { name: "Came", width: "96px", cell: (event) => <Time at={event.time} /> },
  {
    name: "Type",
    width: "30%",
    cell: (event) => (
      <Go to={`/events/${encodeURIComponent(event.id)}`} className="link mono" title={event.type}>
        {event.type}
      </Go>
    ),
  },
  { name: "Started", cell: (event) => <Started event={event} /> },
  {
    name: "Subject",
    width: "14%",
    secondary: true,
    cell: (event) => <span title={event.subject ?? ""}>{event.subject ?? <span className="quiet">–</span>}</span>,
  },
  {
    name: "Source",
    width: "20%",
    secondary: true,
    cell: (event) => (
      <span className="quiet" title={event.source}>
        {event.source}
      </span>
    ),
  },
  {
    name: "Size",
    width: "80px",
    right: true,
    wide: true,
    cell: (event) => <span className="quiet">{bytes(event.size)}</span>,
  },
];

const SHOWN = 2;

function Started({ event }: { event: EventRow }) {
  if (event.run_count === 0) return <span className="quiet">nothing</span>;
  const more = event.run_count - Math.min(event.runs.length, SHOWN);
  return (
    <span className={css.started}>
      {event.runs.slice(0, SHOWN).map((run) => (
        <Go key={run.id} to={`/runs/${run.id}`} className={css.run} title={`${run.flow}: ${run.status}`}>
          <Status bare value={run.status} label={run.flow} />
          <span className="unseen">{run.status}</span>
        </Go>
      ))}
      {more > 0 && (
        <Go to={address("/runs", { event: event.id })} className="link">
          {more} more
        </Go>
      )}
    </span>
  );
}
