/** Dead letters: messages that made no event. Each waits for a decision: read again, mended, or dropped. */
import { useQueryClient } from "@tanstack/react-query";
import { MailCheck } from "lucide-react";
import { useState } from "react";
import { Go, useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Bar } from "@/design/bar";
import { Button } from "@/design/button";
import { Choice, SearchField } from "@/design/fields";
import { FollowedTable } from "@/design/followed-table";
import { Page, Section } from "@/design/page";
import { Empty } from "@/design/states";
import type { Column } from "@/design/table";
import { Time } from "@/design/time";
import { bytes, count } from "@/format/text";
import { useTriggers } from "@/pages/triggers/triggers";
import { LetterDialog } from "./detail";
import { type LetterRow, useLetters } from "./letters";
import { Many } from "./many";

const columns: readonly Column<LetterRow>[] = [
  { name: "Came", width: "96px", cell: (one) => <Time at={one.at} /> },
  {
    name: "Why it made no event",
    cell: (one) => <bdi title={one.reason}>{one.reason}</bdi>,
  },
  {
    name: "Trigger",
    width: "22%",
    secondary: true,
    cell: (one) => (
      <Go to={`/triggers?trigger=${encodeURIComponent(one.trigger)}`} className="link" title={one.trigger}>
        {one.trigger}
      </Go>
    ),
  },
  { name: "Kind", width: "96px", wide: true, cell: (one) => <span className="quiet">{one.kind}</span> },
  { name: "Size", width: "84px", right: true, cell: (one) => <span className="quiet">{bytes(one.size)}</span> },
];

export default function DeadLetters() {
  const [filters, set] = useFilters();
  const client = useQueryClient();
  const may = useMay("operator");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const list = useLetters(filters.trigger);
  const words = (filters.q ?? "").toLowerCase();
  const items = words ? list.items?.filter((one) => one.reason.toLowerCase().includes(words)) : list.items;
  const there = new Set(items?.map((one) => one.id));
  const still = new Set([...chosen].filter((id) => there.has(id)));
  const changed = async () => {
    setChosen(new Set());
    await list.again();
    await client.invalidateQueries({ queryKey: ["triggers"] });
  };
  return (
    <Page title="Dead letters" says="Messages that came and made no event. Each stays here until somebody decides.">
      <Section>
        <Bar label="Filters">
          <TriggerChoice />
          <SearchField label="Search reasons that are shown" value={filters.q ?? ""} onSearch={(q) => set({ q })} />
          {may && <Many chosen={still} trigger={filters.trigger} onDone={changed} some={(items ?? []).length > 0} />}
        </Bar>
        <FollowedTable
          label="Dead letters"
          list={{ ...list, items }}
          of={filters.trigger ?? ""}
          columns={columns}
          onOpen={(one) => set({ id: one.id })}
          picking={may ? { chosen: still, onChange: setChosen } : undefined}
          empty={<Nothing filtered={Boolean(filters.trigger || filters.q)} />}
        />
      </Section>
      {filters.id && (
        <LetterDialog key={filters.id} id={filters.id} onDone={changed} onClose={() => set({ id: undefined })} />
      )}
    </Page>
  );
}

/** The triggers that have left some, and how many. */
function TriggerChoice() {
  const [filters, set] = useFilters();
  const { rows } = useTriggers();
  const some = (rows ?? []).filter((row) => row.letters > 0 || row.key === filters.trigger);
  const options = some.map((row) => [row.key, `${row.key} (${count(row.letters)})`] as const);
  const there = !filters.trigger || some.some((row) => row.key === filters.trigger);
  const all = there ? options : [...options, [filters.trigger ?? "", filters.trigger ?? ""] as const];
  return (
    <Choice
      label="Trigger"
      value={filters.trigger ?? ""}
      options={[["", "All triggers"], ...all]}
      onChange={(event) => set({ trigger: event.target.value })}
    />
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const [, set] = useFilters();
  const clear = () => set({ trigger: undefined, q: undefined });
  if (filtered) {
    return (
      <Empty title="No dead letter is like that" icon={MailCheck} action={<Button onClick={clear}>Show all</Button>}>
        There may be some with other filters.
      </Empty>
    );
  }
  return (
    <Empty title="No dead letters" icon={MailCheck}>
      Every message that came could be read. One that cannot is kept here as it came, and does not stop its source.
    </Empty>
  );
}
