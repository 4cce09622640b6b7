/** Connections: saved settings to reach systems, whether they work, and who uses them. */
import { Cable, Plus } from "lucide-react";
import { Go, useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Bar } from "@/design/bar";
import { Button } from "@/design/button";
import { Choice, SearchField } from "@/design/fields";
import { Page, Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Badge, Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import { type Connection, useConnections, usersOf } from "./connections";
import { ConnectionDialog } from "./detail";
import { EditConnection } from "./edit";

const columns: readonly Column<Connection>[] = [
  {
    name: "Health",
    width: "116px",
    cell: (one) => <Status value={one.health} />,
  },
  {
    name: "Name",
    cell: (one) => (
      <span title={one.reason || one.name}>
        <b>{one.name}</b> {one.flow && <Badge>only in {one.flow}</Badge>}{" "}
        {one.health === "failing" && <span className="quiet">{one.reason}</span>}
      </span>
    ),
  },
  { name: "Type", width: "96px", cell: (one) => one.type },
  { name: "Used by", width: "26%", secondary: true, cell: (one) => <Users one={one} /> },
  { name: "Tested", width: "96px", secondary: true, cell: (one) => <Time at={one.tested?.at} /> },
  { name: "Saved", width: "96px", wide: true, cell: (one) => <Time at={one.updated_at} /> },
];

export function keyOf(one: Connection): string {
  return one.flow ? `${one.name}/${one.flow}` : one.name;
}

export default function Connections() {
  const { rows, error, again } = useConnections();
  const [filters, set] = useFilters();
  const may = useMay("operator");
  const words = (filters.q ?? "").toLowerCase();
  const shown = rows?.filter(
    (one) =>
      (!filters.type || one.type === filters.type) &&
      `${one.name} ${one.type} ${usersOf(one)}`.toLowerCase().includes(words),
  );
  const open = rows?.find((one) => keyOf(one) === filters.name);
  const begin = () => set({ new: "1" });
  const close = () => set({ name: undefined, new: undefined });
  return (
    <Page
      title="Connections"
      says="How systems are reached. Flows name a connection; they never hold an address or a password."
      actions={
        may && (
          <Button look="main" onClick={begin}>
            <Plus aria-hidden /> New connection
          </Button>
        )
      }
    >
      <Section>
        <Filters rows={rows ?? []} />
        <Table
          label="Connections"
          columns={columns}
          rows={shown}
          id={keyOf}
          onOpen={(one) => set({ name: keyOf(one) })}
          error={error}
          again={again}
          empty={<Nothing there={(rows ?? []).length > 0} begin={may ? begin : undefined} />}
        />
      </Section>
      {open && <ConnectionDialog key={keyOf(open)} one={open} onClose={close} />}
      {filters.new && may && <EditConnection onClose={close} onSaved={(name) => set({ new: undefined, name })} />}
    </Page>
  );
}

function Filters({ rows }: { rows: readonly Connection[] }) {
  const [filters, set] = useFilters();
  const types = [...new Set(rows.map((one) => one.type))].sort();
  return (
    <Bar label="Filters">
      <SearchField label="Search connections" value={filters.q ?? ""} onSearch={(q) => set({ q })} />
      <Choice
        label="Type"
        value={filters.type ?? ""}
        options={[["", "All types"], ...types.map((type) => [type, type] as const)]}
        onChange={(event) => set({ type: event.target.value })}
      />
    </Bar>
  );
}

function Users({ one }: { one: Connection }) {
  const users = usersOf(one);
  if (!users) return <span className="quiet">nobody</span>;
  if (one.used_by.length === 0) return <span title={users}>{users}</span>;
  return (
    <Go to={`/triggers?connection=${encodeURIComponent(one.name)}`} className="link" title={users}>
      {users}
    </Go>
  );
}

function Nothing({ there, begin }: { there: boolean; begin?: () => void }) {
  const [, set] = useFilters();
  if (there) {
    return (
      <Empty
        title="No connection is like that"
        icon={Cable}
        action={<Button onClick={() => set({ q: undefined, type: undefined })}>Show all</Button>}
      >
        There are some with other filters.
      </Empty>
    );
  }
  return (
    <Empty title="No connections yet" icon={Cable} action={begin && <Button onClick={begin}>New connection</Button>}>
      Save one to reach Kafka, a database, a mailbox or an API from any flow, with its password kept as a secret.
    </Empty>
  );
}
