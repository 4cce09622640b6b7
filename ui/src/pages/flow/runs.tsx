/** The runs of a flow, with the filters that matter here; the page of all runs has more. */
import { Play } from "lucide-react";
import { api, data } from "@/api/client";
import { usePages } from "@/api/lists";
import { useRefresh } from "@/api/refresh";
import { address, Go, useFilters } from "@/app/go";
import { Choice } from "@/design/fields";
import { Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Table } from "@/design/table";
import { columns, type RunRow } from "@/pages/runs/columns";
import type { FlowWhole } from "./types";

const STATUS = ["pending", "running", "waiting", "paused", "completed", "failed", "cancelled"];
const OWN = columns.filter((column) => column.name !== "Flow");

export function FlowRuns({ flow }: { flow: FlowWhole }) {
  const [filters, set] = useFilters();
  const status = filters.status ?? "";
  const key = ["runs", "of", flow.name, status];
  useRefresh(["run"], key, { only: (said) => said.flow === flow.name, every: 1_000 });
  const list = usePages<RunRow>(key, (cursor, signal) => {
    const query = { flow: flow.name, status: status || undefined, cursor, limit: 100 };
    return data(api.GET("/api/v1/runs", { params: { query }, signal }));
  });
  const tools = (
    <>
      <Choice
        label="Status"
        value={status}
        options={[["", "Any status"], ...STATUS.map((one) => [one, one] as const)]}
        onChange={(event) => set({ status: event.target.value })}
      />
      <Go className="link" to={address("/runs", { flow: flow.name, status })}>
        More filters
      </Go>
    </>
  );
  return (
    <Section title="Runs" tools={tools}>
      <Table
        label={`Runs of ${flow.name}`}
        columns={OWN}
        rows={list.items}
        id={(run) => run.id}
        to={(run) => `/runs/${encodeURIComponent(run.id)}`}
        error={list.error}
        again={list.again}
        more={list.more}
        empty={
          <Empty title={status ? `No run is ${status}` : "It has not run yet"} icon={Play}>
            {status ? "There may be some with another status." : "Send an event that fits, or run it now."}
          </Empty>
        }
      />
    </Section>
  );
}
