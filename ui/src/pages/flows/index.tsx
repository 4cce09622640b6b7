/** All flows: what they do, whether they listen, how they have done in the last day. */
import { useQuery } from "@tanstack/react-query";
import { Plus, Workflow } from "lucide-react";
import { useMemo } from "react";
import { api, data } from "@/api/client";
import { usePages } from "@/api/lists";
import { useRefresh } from "@/api/refresh";
import { Go, useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Choice, SearchField } from "@/design/fields";
import { Page, Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Table } from "@/design/table";
import { plural } from "@/format/text";
import { type Listed, useColumns } from "./columns";
import { FileProblems } from "./problems";
import { type FlowRow, found, hasLabel, STATES, stateOf } from "./states";

const ALL = 1_000;

export default function FlowsPage() {
  const [filters, setFilters] = useFilters();
  const list = useFlows(filters.label);
  const rows = useRows(list.items);
  const columns = useColumns();
  const may = useMay("editor");
  const filtered = Boolean(filters.text || filters.state || filters.label);
  const start = (
    <Button look="main" asChild>
      <Go to="/flows/new">
        <Plus aria-hidden />
        New flow
      </Go>
    </Button>
  );
  return (
    <Page title="Flows" says={list.items && says(list.items)} actions={may && start}>
      <FileProblems flows={list.items} />
      <Section title="Flows" tools={<Filters flows={list.items} />}>
        <Table<Listed>
          label="Flows"
          columns={columns}
          rows={rows}
          id={(row) => row.flow.name}
          to={(row) => `/flows/${encodeURIComponent(row.flow.name)}`}
          error={list.error}
          again={list.again}
          more={list.more}
          empty={
            filtered ? (
              <Empty
                title="No flow fits these filters"
                action={
                  <Button onClick={() => setFilters({ text: undefined, state: undefined, label: undefined })}>
                    Show all flows
                  </Button>
                }
              />
            ) : (
              <Empty title="There are no flows yet" icon={Workflow} action={may && start}>
                A flow says what happens when something happens. It is a YAML file in the folder that Reactor follows,
                or is written here.
              </Empty>
            )
          }
        />
      </Section>
    </Page>
  );
}

function useFlows(label: string | undefined) {
  useRefresh(["flow", "trigger"], ["flows", "list"], { every: 1_000 });
  return usePages<FlowRow>(["flows", "list", label ?? ""], (cursor, signal) =>
    data(
      api.GET("/api/v1/flows", {
        params: { query: { limit: ALL, cursor, label } },
        signal,
      }),
    ),
  );
}

function useRows(flows: FlowRow[] | undefined): Listed[] | undefined {
  const [filters] = useFilters();
  const figures = useQuery({
    queryKey: ["metrics", "flows"],
    queryFn: () => data(api.GET("/api/v1/metrics/flows", { params: { query: { since: "24h", points: 48 } } })),
    refetchInterval: 60_000,
  });
  useRefresh(["run"], ["metrics", "flows"], { every: 2_000 });
  return useMemo(() => {
    const known = new Map((figures.data?.items ?? []).map((one) => [one.flow, one]));
    return flows
      ?.filter((flow) => !filters.text || found(flow, filters.text))
      .filter((flow) => !filters.state || stateOf(flow) === filters.state)
      .filter((flow) => !filters.label || hasLabel(flow, filters.label))
      .map((flow) => ({ flow, figures: known.get(flow.name), since: figures.data?.since }));
  }, [flows, figures.data, filters.text, filters.state, filters.label]);
}

function Filters({ flows }: { flows: readonly FlowRow[] | undefined }) {
  const [filters, setFilters] = useFilters();
  const labels = useMemo(() => labelsOf(flows ?? [], filters.label), [flows, filters.label]);
  return (
    <>
      <SearchField label="Search flows" value={filters.text ?? ""} onSearch={(text) => setFilters({ text })} />
      <Choice
        label="State"
        value={filters.state ?? ""}
        options={[["", "Any state"], ...STATES]}
        onChange={(event) => setFilters({ state: event.target.value })}
      />
      {labels.length > 0 && (
        <Choice
          label="Label"
          value={filters.label ?? ""}
          options={[["", "Any label"], ...labels.map((label) => [label, label] as const)]}
          onChange={(event) => setFilters({ label: event.target.value })}
        />
      )}
    </>
  );
}

function labelsOf(flows: readonly FlowRow[], chosen: string | undefined): string[] {
  const all = new Set(flows.flatMap((flow) => Object.entries(flow.labels).map(([name, value]) => `${name}=${value}`)));
  if (chosen) all.add(chosen);
  return [...all].sort().slice(0, 200);
}

function says(flows: readonly FlowRow[]): string {
  const listening = flows.filter((flow) => ["armed", "lagging", "by hand"].includes(stateOf(flow))).length;
  const bad = flows.filter((flow) => ["failed", "broken"].includes(stateOf(flow))).length;
  if (flows.length === 0) return "What happens when something happens.";
  const told = bad > 0 ? `, ${plural(bad, "needs", "need")} to be looked at` : "";
  return `${plural(flows.length, "flow")}: ${listening} ready${told}.`;
}
