/** Runs that were waiting for an event like this one, and whether they took it. */
import type { Shapes } from "@/api/client";
import { Go } from "@/app/go";
import { Section } from "@/design/page";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";

type Waited = Shapes["WaitedFor"];

const LOOKS: Record<string, readonly [string, string]> = {
  took: ["completed", "took it"],
  stopped: ["cancelled", "did not take it"],
  waits: ["waiting", "waits"],
};

const columns: readonly Column<Waited>[] = [
  {
    name: "Result",
    width: "140px",
    cell: (row) => {
      const [value, label] = LOOKS[row.result] ?? ["unknown", row.result];
      return <Status bare value={value} label={label} />;
    },
  },
  {
    name: "Run",
    width: "30%",
    cell: (row) => (
      <Go to={`/runs/${row.run_id}`} className="link" title={row.run_id}>
        {row.flow}
      </Go>
    ),
  },
  { name: "Step", width: "20%", secondary: true, cell: (row) => <span className="mono">{row.path}</span> },
  { name: "Why", cell: (row) => <span title={`${row.expression} ${row.reason}`}>{row.reason || row.expression}</span> },
];

export function WaitingRuns({ rows, more }: { rows: readonly Waited[]; more: boolean }) {
  if (rows.length === 0) return null;
  return (
    <Section title="Runs that waited for such an event" tools={more && <span className="quiet">There are more.</span>}>
      <Table
        label="Runs that waited for such an event"
        columns={columns}
        rows={rows}
        id={(row) => `${row.run_id} ${row.path}`}
        to={(row) => `/runs/${row.run_id}`}
        empty={null}
      />
    </Section>
  );
}
