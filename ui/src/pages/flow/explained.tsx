/** What would start it, what flow control holds back, and who waits for what. */
import { useQuery } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { Json } from "@/design/data";
import { Facts, Section } from "@/design/page";
import { Empty, Shown } from "@/design/states";
import { Status } from "@/design/status";
import { Table } from "@/design/table";
import { columns } from "@/pages/runs/columns";
import type { FlowWhole } from "./types";

type Told = Shapes["FlowExplained"];

export function Explained({ flow }: { flow: FlowWhole }) {
  const key = ["explain", "flow", flow.name];
  useRefresh(["run", "flow"], key, {
    only: (said) => said.flow === flow.name || said.name === flow.name,
    every: 1_000,
  });
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) =>
      data(api.GET("/api/v1/explain/flow/{name}", { params: { path: { name: flow.name } }, signal })),
  });
  return (
    <Shown value={query.data} error={query.error} again={() => void query.refetch()}>
      {(told) => (
        <div style={{ display: "grid", gap: "var(--space-4)" }}>
          <Starts told={told} />
          <Control told={told} />
          <Alive told={told} />
        </div>
      )}
    </Shown>
  );
}

function Starts({ told }: { told: Told }) {
  const words = told.triggers.map((trigger) => [
    trigger.key,
    <>
      {trigger.kind} {trigger.if && <span className="quiet">only if {trigger.if}</span>}
    </>,
  ]) as [string, React.ReactNode][];
  return (
    <Section title="What starts it" padded>
      <Facts
        items={[
          [
            "State",
            <Status
              key="state"
              value={told.enabled ? "ok" : "disabled"}
              label={told.enabled ? "enabled" : undefined}
              bare
            />,
          ],
          ...words,
          ["Only if", told.if ?? "always"],
          ["Unless", told.unless ?? "never"],
          [
            "Why did an event not start it?",
            <Go key="why" className="link" to="/events">
              Open the event
            </Go>,
          ],
        ]}
      />
    </Section>
  );
}

function Control({ told }: { told: Told }) {
  if (Object.keys(told.control).length === 0) {
    return (
      <Section title="Flow control">
        <Empty title="Nothing is held back">
          The flow has no `concurrency`, `rate_limit`, `batch` or the like: each event that fits starts a run at once.
        </Empty>
      </Section>
    );
  }
  return (
    <Section title="Flow control: what it allows, and what is in it now">
      <Json label="Flow control" value={told.control} open={3} />
    </Section>
  );
}

function Alive({ told }: { told: Told }) {
  const all = (
    <Go className="link" to={address("/runs", { flow: told.flow, status: "pending,running,waiting,paused" })}>
      All of them
    </Go>
  );
  return (
    <Section title="Runs under way" tools={told.live_runs.length > 0 && all}>
      <Table
        label="Runs under way"
        columns={columns.filter((column) => column.name !== "Flow")}
        rows={told.live_runs}
        id={(run) => run.id}
        to={(run) => `/runs/${encodeURIComponent(run.id)}`}
        empty={<Empty title="No run is under way" />}
      />
    </Section>
  );
}
