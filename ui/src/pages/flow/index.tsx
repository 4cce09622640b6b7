/** One flow: what it promises, its text, its versions, what starts it, what came of it. */
import { useParams } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense } from "react";
import { useFilters } from "@/app/go";
import { Tabs } from "@/design/overlays";
import { Page } from "@/design/page";
import { Loading, Shown } from "@/design/states";
import { Badge, Status } from "@/design/status";
import { FlowActions } from "./actions";
import { useFlow } from "./data";
import { Explained } from "./explained";
import { Overview } from "./overview";
import { FlowRuns } from "./runs";
import { FlowTests } from "./tests";
import { FlowTriggers } from "./triggers";
import type { FlowWhole } from "./types";

const Writing = lazy(() => import("./write"));
const Versions = lazy(() => import("./versions"));

export default function FlowPage() {
  const { name } = useParams({ strict: false }) as { name: string };
  const query = useFlow(name);
  const flow = query.data;
  return (
    <Page
      title={name}
      mark={flow && <Marks flow={flow} />}
      says={flow && cut(flow.description || flow.sentence)}
      actions={flow && <FlowActions flow={flow} />}
    >
      <Shown value={flow} error={query.error} again={() => void query.refetch()}>
        {(whole) => <Parts flow={whole} />}
      </Shown>
    </Page>
  );
}

const LONG = 400;

function cut(text: string): string {
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}

function Marks({ flow }: { flow: FlowWhole }) {
  const broken = flow.problems.some((problem) => problem.severity === "error");
  return (
    <>
      <Badge>version {flow.version}</Badge>
      {!flow.enabled && <Status value="disabled" />}
      {broken && <Status value="error" label="broken file" />}
    </>
  );
}

function Parts({ flow }: { flow: FlowWhole }) {
  const [filters, setFilters] = useFilters();
  const part = (value: string, label: string, content: ReactNode) => ({
    value,
    label,
    content: <Suspense fallback={<Loading />}>{content}</Suspense>,
  });
  const tabs = [
    part("overview", "Overview", <Overview flow={flow} />),
    part("yaml", "YAML", <Writing key={flow.name} flow={flow} />),
    part("versions", "Versions", <Versions flow={flow} />),
    part("triggers", "Triggers", <FlowTriggers flow={flow} />),
    part("runs", "Runs", <FlowRuns flow={flow} />),
    part("tests", "Tests", <FlowTests key={flow.name} flow={flow} />),
    part("explain", "Explain", <Explained flow={flow} />),
  ];
  const value = tabs.some((tab) => tab.value === filters.tab) ? (filters.tab as string) : "overview";
  const others = Object.fromEntries(Object.keys(filters).map((name) => [name, undefined]));
  return (
    <Tabs
      label="Parts of the flow"
      value={value}
      tabs={tabs}
      onChange={(tab) => setFilters({ ...others, tab: tab === "overview" ? undefined : tab })}
    />
  );
}
