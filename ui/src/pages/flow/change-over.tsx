/** Runs that are under way with an older version, and whether they can change over to the current one. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { shortId } from "@/design/data";
import { Confirm, say } from "@/design/overlays";
import { Section } from "@/design/page";
import { Empty, Failure } from "@/design/states";
import { Status } from "@/design/status";
import { Table } from "@/design/table";
import { plural } from "@/format/text";
import type { FlowWhole } from "./types";

type Migrated = Shapes["Migrated"];

export function ChangeOver({ flow }: { flow: FlowWhole }) {
  const may = useMay("operator");
  const client = useQueryClient();
  const ask = (preview: boolean) => {
    const path = { name: flow.name };
    return data(api.POST("/api/v1/flows/{name}/migrate", { params: { path }, body: { preview } as never }));
  };
  const look = useMutation({ mutationFn: () => ask(true) });
  if (!may) return null;
  const fit = look.data?.items.filter((run) => !run.refused).length ?? 0;
  const change = async () => {
    const done = (await ask(false)).items.filter((run) => run.migrated).length;
    say(`${plural(done, "run has", "runs have")} changed over to version ${flow.version}.`);
    look.reset();
    await client.invalidateQueries({ queryKey: ["runs"] });
  };
  const tools = (
    <>
      <Button disabled={look.isPending} onClick={() => look.mutate()}>
        See which could change over
      </Button>
      {fit > 0 && (
        <Confirm
          title={`Let ${plural(fit, "run")} change over?`}
          says={`They go on with version ${flow.version}. What they have done stays; those that do not fit stay as they are.`}
          verb="Change over"
          trigger={<Button look="main">Let {plural(fit, "run")} change over …</Button>}
          onConfirm={change}
        />
      )}
    </>
  );
  return (
    <Section title="Runs on older versions" tools={tools}>
      {look.error && <Failure error={look.error} />}
      {look.data && (
        <Table
          label="Runs that could change over"
          columns={COLUMNS}
          rows={look.data.items}
          id={(run) => run.run}
          to={(run) => `/runs/${encodeURIComponent(run.run)}`}
          empty={<Empty title="No run is under way with an older version" />}
        />
      )}
    </Section>
  );
}

const COLUMNS = [
  {
    name: "Run",
    width: "150px",
    cell: (run: Migrated) => (
      <Go to={`/runs/${encodeURIComponent(run.run)}`} className="mono link" title={run.run}>
        {shortId(run.run)}
      </Go>
    ),
  },
  { name: "Version", width: "92px", cell: (run: Migrated) => `${run.from} → ${run.to}` },
  {
    name: "Can it?",
    cell: (run: Migrated) =>
      run.refused ? (
        <span title={run.refused}>
          <Status value="failed" label="no" bare /> <span className="quiet">{run.refused}</span>
        </span>
      ) : (
        <>
          <Status value="ok" label="yes" bare />{" "}
          <span className="quiet">goes on at {run.next.join(", ") || "its end"}</span>
        </>
      ),
  },
];
