/** What of a run the list shows. */
import type { Shapes } from "@/api/client";
import { Go } from "@/app/go";
import { shortId } from "@/design/data";
import { Status } from "@/design/status";
import type { Column } from "@/design/table";
import { Span, Time } from "@/design/time";

export type RunRow = Shapes["RunRow"];

export const columns: readonly Column<RunRow>[] = [
  { name: "Status", width: "128px", cell: (run) => <Status value={run.status} /> },
  {
    name: "Run",
    width: "150px",
    secondary: true,
    cell: (run) => (
      <Go to={`/runs/${run.id}`} className="link mono" title={run.id}>
        {shortId(run.id)}
      </Go>
    ),
  },
  { name: "Flow", width: "18%", cell: (run) => <span title={run.flow}>{run.flow}</span> },
  {
    name: "Started",
    width: "96px",
    right: true,
    cell: (run) => <Time at={run.started_at ?? run.created_at} />,
  },
  { name: "Took", width: "90px", right: true, secondary: true, cell: (run) => <Took run={run} /> },
  { name: "Waits for / error", secondary: true, cell: (run) => <Why run={run} /> },
  {
    name: "Trigger",
    width: "14%",
    secondary: true,
    cell: (run) => (
      <span className="quiet" title={run.trigger ?? ""}>
        {origin(run)}
      </span>
    ),
  },
];

export function Took({ run }: { run: Pick<RunRow, "status" | "started_at" | "finished_at"> }) {
  if (!run.started_at || run.status === "pending") return <span className="quiet">–</span>;
  return <Span from={run.started_at} to={run.finished_at} />;
}

function Why({ run }: { run: RunRow }) {
  if (run.error) {
    const text = `${run.error.kind}: ${run.error.message}`;
    return (
      <span title={text} style={{ color: run.status === "failed" ? "var(--bad)" : undefined }}>
        {text.slice(0, 300)}
      </span>
    );
  }
  if (run.finished_at || !run.waiting_for) return null;
  return (
    <span title={run.waiting_for}>
      {run.waiting_for.slice(0, 300)}
      {run.wake_at && (
        <>
          {" · "}
          <Time at={run.wake_at} />
        </>
      )}
    </span>
  );
}

export function origin(run: RunRow): string {
  if (run.trigger) return run.trigger;
  if (run.forked_from) return "fork";
  if (run.parent_id) return "called";
  return "by hand";
}
