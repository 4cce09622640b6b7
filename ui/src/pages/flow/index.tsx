/** One flow: what it promises, its text, its versions, what starts it, what came of it. */
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api, data } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { useFilters } from "@/app/go";
import { Tabs } from "@/design/overlays";
import { Page } from "@/design/page";
import { Shown } from "@/design/states";
import { Status } from "@/design/status";
import { Overview } from "./overview";
import type { FlowWhole } from "./types";

export default function FlowPage() {
  const { name } = useParams({ strict: false }) as { name: string };
  const query = useQuery({
    queryKey: ["flows", "one", name],
    queryFn: () => data(api.GET("/api/v1/flows/{name}", { params: { path: { name } } })),
  });
  useRefresh(["flow"], ["flows", "one", name], { only: (change) => change.name === name || change.flow === name });
  return (
    <Page
      title={name}
      mark={query.data && !query.data.enabled && <Status value="disabled" />}
      says={query.data?.description || undefined}
    >
      <Shown value={query.data} error={query.error} again={() => void query.refetch()}>
        {(flow) => <Parts flow={flow} />}
      </Shown>
    </Page>
  );
}

function Parts({ flow }: { flow: FlowWhole }) {
  const [filters, setFilters] = useFilters();
  const tabs = [{ value: "overview", label: "Overview", content: <Overview flow={flow} /> }];
  const value = tabs.some((tab) => tab.value === filters.tab) ? (filters.tab as string) : "overview";
  return (
    <Tabs
      label="Parts of the flow"
      value={value}
      tabs={tabs}
      onChange={(tab) => setFilters({ tab: tab === "overview" ? undefined : tab, step: undefined })}
    />
  );
}
