/** The runs that the event has started, as they stand now; each leads on to what it led to. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { Section } from "@/design/page";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { type RunRow, Took } from "@/pages/runs/columns";

const MOST = 50;

const columns: readonly Column<RunRow>[] = [
  { name: "Status", width: "116px", cell: (run) => <Status value={run.status} /> },
  {
    name: "Flow",
    cell: (run) => (
      <Go to={`/runs/${run.id}`} className="link" title={run.id}>
        {run.flow}
      </Go>
    ),
  },
  { name: "Took", width: "84px", right: true, cell: (run) => <Took run={run} /> },
];

export function StartedRuns({ event }: { event: string }) {
  const query = { event, limit: MOST };
  const runs = useQuery({
    queryKey: ["event-runs", event],
    queryFn: ({ signal }) => data(api.GET("/api/v1/runs", { params: { query }, signal })),
  });
  useRefresh(["run"], ["event-runs", event], { every: 1_000 });
  const items = runs.data?.items;
  if (items?.length === 0) return null;
  const all = (
    <Go to={address("/runs", { event })} className="link">
      In the list of runs
    </Go>
  );
  return (
    <Section title="What it started" tools={all}>
      <Table
        label="What it started"
        columns={columns}
        rows={items}
        id={(run) => run.id}
        to={(run) => `/runs/${run.id}`}
        error={runs.error}
        empty={null}
      />
    </Section>
  );
}
