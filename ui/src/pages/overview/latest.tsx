/** The newest runs, as they come. While a hand is on the list it keeps still. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { Go } from "@/app/go";
import { shortId } from "@/design/data";
import { Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Span, Time } from "@/design/time";

const KEY = ["runs", "latest"];
const MOST = 10;

type Row = Shapes["RunRow"];

const COLUMNS: Column<Row>[] = [
  { name: "Flow", cell: ({ flow }) => <span title={flow}>{flow}</span> },
  { name: "Run", width: "156px", secondary: true, cell: ({ id }) => <span className="mono">{shortId(id)}</span> },
  { name: "Status", width: "116px", cell: ({ status }) => <Status value={status} bare /> },
  { name: "Took", width: "84px", right: true, cell: (run) => <Span from={run.started_at} to={run.finished_at} /> },
  { name: "Began", width: "84px", right: true, cell: ({ created_at }) => <Time at={created_at} /> },
];

export function Latest() {
  const query = useQuery({
    queryKey: KEY,
    queryFn: () => data(api.GET("/api/v1/runs", { params: { query: { limit: MOST } } })),
  });
  useRefresh(["run"], KEY, { every: 1_000 });
  const [held, setHeld] = useState<readonly Row[] | null>(null);
  const rows = held ? held.map((old) => query.data?.items.find(({ id }) => id === old.id) ?? old) : query.data?.items;
  const fresh = held ? (query.data?.items ?? []).filter(({ id }) => !held.some((old) => old.id === id)).length : 0;
  const hold = () => setHeld((now) => now ?? query.data?.items ?? null);
  return (
    <Section
      title="Latest runs"
      tools={
        <>
          {fresh > 0 && <span className="quiet">{fresh === MOST ? "many" : fresh} newer</span>}
          <Go to="/runs" className="link">
            All runs
          </Go>
        </>
      }
    >
      {/* biome-ignore lint/a11y/noStaticElementInteractions: only notices that a hand is there */}
      <div onMouseEnter={hold} onMouseLeave={() => setHeld(null)} onFocus={hold} onBlur={() => setHeld(null)}>
        <Table
          label="Latest runs"
          rows={rows}
          error={query.error}
          again={() => void query.refetch()}
          id={({ id }) => id}
          to={({ id }) => `/runs/${id}`}
          columns={COLUMNS}
          empty={<Empty title="Nothing has run yet">A run begins when an event comes that a flow waits for.</Empty>}
        />
      </div>
    </Section>
  );
}
