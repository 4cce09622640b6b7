/** Triggers: which ones really listen, and why the others do not. */
import { CalendarClock } from "lucide-react";
import { useFilters } from "@/app/go";
import { Bar, Chip, Toggles } from "@/design/bar";
import { Button } from "@/design/button";
import { Choice, SearchField } from "@/design/fields";
import { Page, Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Table } from "@/design/table";
import { plural } from "@/format/text";
import { columns } from "./columns";
import { TriggerDetail } from "./detail";
import { fitting, STATES, sorted, type Trigger, useTriggers } from "./triggers";

export default function Triggers() {
  const { rows, error, again } = useTriggers();
  const [filters, set] = useFilters();
  const shown = rows && sorted(fitting(rows, filters));
  const open = rows?.find((row) => row.key === filters.trigger);
  return (
    <Page title="Triggers" says={rows ? sentence(rows) : "Which ones listen, and why the others do not."}>
      <Section>
        <Filters rows={rows ?? []} />
        <Table
          label="Triggers"
          columns={columns}
          rows={shown}
          id={(row) => row.key}
          onOpen={(row) => set({ trigger: row.key })}
          error={error}
          again={again}
          empty={<Nothing there={(rows ?? []).length > 0} />}
        />
      </Section>
      {open && <TriggerDetail row={open} onClose={() => set({ trigger: undefined })} />}
    </Page>
  );
}

function sentence(rows: readonly Trigger[]): string {
  const of = (...states: string[]) => rows.filter((row) => states.includes(row.state)).length;
  const bad = of("failed");
  const late = of("lagging");
  if (rows.length === 0) return "No flow listens to anything.";
  const good = `${plural(of("armed", "lagging"), "trigger listens", "triggers listen")}`;
  const parts = [
    bad ? `${bad} ${bad === 1 ? "does" : "do"} not` : "",
    late ? `${late} ${late === 1 ? "is" : "are"} behind` : "",
  ];
  return `${[good, ...parts.filter(Boolean)].join(", ")}.`;
}

function Filters({ rows }: { rows: readonly Trigger[] }) {
  const [filters, set] = useFilters();
  const kinds = [...new Set(rows.map((row) => row.kind))].sort();
  const counts = (state: string) => rows.filter((row) => row.state === state).length;
  return (
    <Bar label="Filters">
      <Toggles
        label="State"
        value={filters.state ?? ""}
        options={STATES.map((value) => ({ value, label: value, count: counts(value) }))}
        onChange={(state) => set({ state })}
      />
      <Choice
        label="Kind"
        value={filters.kind ?? ""}
        options={[["", "All kinds"], ...kinds.map((kind) => [kind, kind] as const)]}
        onChange={(event) => set({ kind: event.target.value })}
      />
      <SearchField label="Search triggers" value={filters.q ?? ""} onSearch={(q) => set({ q })} />
      {filters.flow && <Chip name="flow" value={filters.flow} onRemove={() => set({ flow: undefined })} />}
      {filters.connection && (
        <Chip name="connection" value={filters.connection} onRemove={() => set({ connection: undefined })} />
      )}
    </Bar>
  );
}

function Nothing({ there }: { there: boolean }) {
  const [, set] = useFilters();
  if (there) {
    const clear = () =>
      set({ state: undefined, kind: undefined, q: undefined, flow: undefined, connection: undefined });
    return (
      <Empty title="No trigger is like that" icon={CalendarClock} action={<Button onClick={clear}>Show all</Button>}>
        There are some with other filters.
      </Empty>
    );
  }
  return (
    <Empty title="Nothing listens yet" icon={CalendarClock}>
      A flow with `on:` has triggers: a webhook, a schedule, a folder, a queue. They are shown here with whether they
      really listen.
    </Empty>
  );
}
