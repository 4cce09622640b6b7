/** How each flow did in the window: those that fail first, then the busiest. */
import { useQuery } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { Sparkline } from "@/design/data";
import { Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { count, percent, plural, span } from "@/format/text";
import type { Window } from "./window";

type FlowFigures = Shapes["FlowFigures"];

const MOST = 10;

export function useFlowFigures(window: Window) {
  const { since } = window.query;
  useRefresh(["run"], ["flow-figures"], { every: 5_000 });
  return useQuery({
    queryKey: ["flow-figures", since],
    queryFn: () => data(api.GET("/api/v1/metrics/flows", { params: { query: { since } } })),
    placeholderData: (before: Shapes["AllFlowFigures"] | undefined) => before,
  });
}

export function FlowsOf({ window }: { window: Window }) {
  const query = useFlowFigures(window);
  const rows = query.data?.items
    .filter((one) => one.current)
    .sort((one, other) => other.failed - one.failed || other.runs - one.runs)
    .slice(0, MOST);
  return (
    <Section
      title="Flows"
      tools={
        <Go to="/flows" className="link">
          All flows
        </Go>
      }
    >
      <Table
        label="Flows, those that fail first"
        rows={rows}
        error={query.error}
        again={() => void query.refetch()}
        id={({ flow }) => flow}
        to={({ flow }) => `/flows/${encodeURIComponent(flow)}`}
        columns={columns(query.data?.since ?? "")}
        empty={
          <Empty title="No flow is here">They are added by a file in the folder of flows, or by “New flow”.</Empty>
        }
      />
    </Section>
  );
}

function columns(since: string): Column<FlowFigures>[] {
  const runs = (flow: string, status?: string) => address("/runs", { flow, status, finished_since: since });
  return [
    {
      name: "Flow",
      cell: ({ flow, last_run }) => (
        <span title={flow}>
          {last_run && (
            <>
              <Status
                value={last_run.status}
                label={<span className="unseen">last run {last_run.status}</span>}
                bare
              />{" "}
            </>
          )}
          {flow}
        </span>
      ),
    },
    {
      name: "Runs",
      width: "128px",
      secondary: true,
      cell: (one) => <Sparkline values={one.line_runs} marks={one.line_failed} label={words(one)} />,
    },
    {
      name: "Ended",
      width: "72px",
      right: true,
      cell: ({ flow, runs: n }) => (
        <Go className="counted" to={runs(flow)}>
          {count(n)}
        </Go>
      ),
    },
    {
      name: "Failed",
      width: "72px",
      right: true,
      cell: ({ flow, failed }) => (
        <Go className="counted" to={runs(flow, "failed")} style={failed ? { color: "var(--bad)" } : undefined}>
          {count(failed)}
        </Go>
      ),
    },
    {
      name: "Success",
      width: "84px",
      right: true,
      secondary: true,
      cell: ({ success_rate }) => (success_rate === null ? "–" : percent(success_rate)),
    },
    { name: "p95", width: "76px", right: true, cell: ({ p95 }) => (p95 === null ? "–" : span(p95)) },
  ];
}

function words({ runs, failed }: FlowFigures): string {
  return `${plural(runs, "run")}, ${count(failed)} failed`;
}
