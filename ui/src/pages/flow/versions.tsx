/** What a flow was: each version, what is different by line and by meaning, and the way back. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, data, type Shapes, send } from "@/api/client";
import { address, useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Choice } from "@/design/fields";
import { Confirm, say } from "@/design/overlays";
import { Section } from "@/design/page";
import { Empty, Loading, Shown } from "@/design/states";
import { Badge } from "@/design/status";
import { Table } from "@/design/table";
import { Time } from "@/design/time";
import { TextDiff } from "@/editor";
import { ChangeOver } from "./change-over";
import css from "./flow.module.css";
import type { FlowWhole } from "./types";
import { Changes } from "./write/changes";

type Version = Shapes["VersionRow"];

export default function Versions({ flow }: { flow: FlowWhole }) {
  const query = useQuery({
    queryKey: ["flows", "versions", flow.name, flow.etag],
    queryFn: ({ signal }) =>
      data(api.GET("/api/v1/flows/{name}/versions", { params: { path: { name: flow.name } }, signal })),
    placeholderData: (before) => before,
  });
  return (
    <Shown value={query.data?.items} error={query.error} again={() => void query.refetch()}>
      {(versions) => <All flow={flow} versions={[...versions].sort((a, b) => b.version - a.version)} />}
    </Shown>
  );
}

function All({ flow, versions }: { flow: FlowWhole; versions: readonly Version[] }) {
  const [filters, set] = useFilters();
  const numbers = versions.map((version) => version.version);
  const to = numbers.includes(Number(filters.to)) ? Number(filters.to) : (numbers[0] ?? flow.version);
  const earlier = numbers.find((number) => number < to) ?? null;
  const from = numbers.includes(Number(filters.from)) ? Number(filters.from) : earlier;
  return (
    <div className={css.main}>
      <Section title="Versions">
        <Table
          label={`Versions of ${flow.name}`}
          columns={COLUMNS}
          rows={versions}
          id={(version) => String(version.version)}
          onOpen={(version) => set({ to: String(version.version), from: undefined })}
          height="300px"
          empty={<Empty title="No version is kept" />}
        />
      </Section>
      {from === null ? (
        <Section title={`Version ${to}`}>
          <Empty title="This is the first version">There is nothing before it to compare it with.</Empty>
        </Section>
      ) : (
        <Compared {...{ flow, from, to, numbers }} />
      )}
      <ChangeOver flow={flow} />
    </div>
  );
}

const COLUMNS = [
  {
    name: "Version",
    width: "150px",
    cell: (version: Version) => (
      <>
        <b>{version.version}</b> {version.current && <Badge tone="good">current</Badge>}
      </>
    ),
  },
  { name: "Since", width: "110px", cell: (version: Version) => <Time at={version.created_at} /> },
  {
    name: "File",
    secondary: true,
    cell: (version: Version) => <span className="mono quiet">{version.file ?? "none"}</span>,
  },
];

function useText(name: string, version: number) {
  return useQuery({
    queryKey: ["flows", "version", name, version],
    queryFn: ({ signal }) => {
      const path = { name, version: String(version) };
      return data(api.GET("/api/v1/flows/{name}/versions/{version}", { params: { path }, signal }));
    },
  });
}

function Compared({
  flow,
  from,
  to,
  numbers,
}: {
  flow: FlowWhole;
  from: number;
  to: number;
  numbers: readonly number[];
}) {
  const [, set] = useFilters();
  const may = useMay("editor");
  const before = useText(flow.name, from);
  const after = useText(flow.name, to);
  const options = numbers.map((number) => [String(number), `version ${number}`] as const);
  const tools = (
    <>
      <Choice label="From" options={options} value={String(from)} onChange={(e) => set({ from: e.target.value })} />
      <Choice label="To" options={options} value={String(to)} onChange={(e) => set({ to: e.target.value })} />
      {may && flow.writable && to !== flow.version && after.data && <Restore flow={flow} version={after.data} />}
    </>
  );
  return (
    <Section title="What is different" tools={tools}>
      <ByMeaning {...{ name: flow.name, from, to }} />
      <Shown
        value={before.data && after.data && ([before.data, after.data] as const)}
        error={before.error ?? after.error}
        loading={<Loading />}
      >
        {([earlier, later]) => (
          <TextDiff before={earlier.yaml} after={later.yaml} labels={[`version ${from}`, `version ${to}`]} />
        )}
      </Shown>
    </Section>
  );
}

function ByMeaning({ name, from, to }: { name: string; from: number; to: number }) {
  const query = useQuery({
    queryKey: ["flows", "diff", name, from, to],
    queryFn: ({ signal }) =>
      data(api.GET("/api/v1/flows/{name}/diff", { params: { path: { name }, query: { from, to } }, signal })),
  });
  return (
    <div className={css.meaning}>
      <Shown value={query.data?.changes} error={query.error} loading={<Loading lines={2} />}>
        {(changes) => <Changes changes={changes} />}
      </Shown>
    </div>
  );
}

function Restore({ flow, version }: { flow: FlowWhole; version: Shapes["VersionWhole"] }) {
  const client = useQueryClient();
  const restore = async () => {
    const path = address(`/api/v1/flows/${encodeURIComponent(flow.name)}`, { etag: flow.etag });
    const headers = { "content-type": "application/yaml" };
    await send(path, { method: "PUT", body: version.yaml, headers });
    say(`${flow.name} is again as it was in version ${version.version}.`);
    await client.invalidateQueries({ queryKey: ["flows"] });
  };
  return (
    <Confirm
      title={`Restore version ${version.version}?`}
      says={`The text of version ${version.version} takes the place of what is kept now (version ${flow.version}), which stays in this list. Runs under way go on as they began.`}
      verb={`Restore version ${version.version}`}
      trigger={<Button>Restore version {version.version} …</Button>}
      onConfirm={restore}
    />
  );
}
