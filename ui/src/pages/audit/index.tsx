/** Who did what, as it was written down, and whether that is still as it was written. */
import { useMutation } from "@tanstack/react-query";
import { ScrollText } from "lucide-react";
import { useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { usePages } from "@/api/lists";
import { useFilters } from "@/app/go";
import { Button } from "@/design/button";
import { Json } from "@/design/data";
import { Choice, SearchField } from "@/design/fields";
import { Dialog } from "@/design/overlays";
import { Facts, Page, Section } from "@/design/page";
import { Empty, Strip } from "@/design/states";
import { Badge } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import { count, fullTime } from "@/format/text";

type Entry = Shapes["AuditShape"];

const SINCE = [
  ["", "Any time"],
  ["1h", "The last hour"],
  ["24h", "The last 24 hours"],
  ["7d", "The last 7 days"],
  ["30d", "The last 30 days"],
] as const;

export default function AuditPage() {
  const [filters, set] = useFilters();
  const [shown, setShown] = useState<Entry | null>(null);
  const { who, action, target, since } = filters;
  const list = usePages(["audit", who, action, target, since], (cursor, signal) =>
    data(api.GET("/api/v1/audit", { params: { query: { who, action, target, since, cursor } as never }, signal })),
  );
  const some = Boolean(who || action || target || since);
  return (
    <Page
      title="Audit"
      says="Who did what. Entries are only ever added, and each holds the digest of the one before it."
      actions={<Verify />}
    >
      <Section
        tools={
          <>
            <SearchField label="Who" value={who ?? ""} onSearch={(text) => set({ who: text })} />
            <SearchField
              label="Action, as it is written"
              value={action ?? ""}
              onSearch={(text) => set({ action: text })}
            />
            <SearchField label="What it was done to" value={target ?? ""} onSearch={(text) => set({ target: text })} />
            <Choice
              label="When"
              options={SINCE}
              value={since ?? ""}
              onChange={(event) => set({ since: event.target.value })}
            />
          </>
        }
      >
        <Table
          label="Audit log"
          rows={list.items}
          error={list.error}
          again={list.again}
          more={list.more}
          id={({ id }) => String(id)}
          onOpen={setShown}
          columns={COLUMNS}
          empty={
            <Empty title={some ? "Nothing fits these filters" : "Nothing has been done yet"} icon={ScrollText}>
              {some
                ? "Names and actions have to be whole, as they are written in the log."
                : "Every change and every sign-in is written down here."}
            </Empty>
          }
        />
      </Section>
      {shown && <Shown entry={shown} onOpen={() => setShown(null)} />}
    </Page>
  );
}

const COLUMNS: Column<Entry>[] = [
  { name: "When", width: "92px", cell: ({ at }) => <Time at={at} /> },
  { name: "Who", width: "120px", cell: ({ who }) => <span title={who}>{who}</span> },
  {
    name: "Did",
    cell: ({ action }) => (
      <span className="mono" title={action}>
        {action}
      </span>
    ),
  },
  { name: "To", width: "220px", secondary: true, cell: ({ target }) => <span title={target}>{target || "–"}</span> },
  {
    name: "From",
    width: "140px",
    secondary: true,
    cell: ({ address }) => <span className="mono">{address || "–"}</span>,
  },
  { name: "Came to", width: "104px", secondary: true, cell: ({ status }) => <Outcome status={status} /> },
];

function Outcome({ status }: { status: number }) {
  if (status < 400) return <Badge tone="good">done</Badge>;
  return <Badge tone={status === 401 || status === 403 ? "bad" : "warn"}>{status} refused</Badge>;
}

function Shown({ entry, onOpen }: { entry: Entry; onOpen: () => void }) {
  return (
    <Dialog title={`Entry ${count(entry.id)}`} open onOpen={onOpen} wide>
      <Facts
        items={[
          ["When", fullTime(entry.at)],
          ["Who", entry.who],
          ["Signed in by", entry.via],
          ["From", entry.address || "–"],
          ["Did", entry.action],
          ["To", entry.target || "–"],
          ["Came to", <Outcome key="outcome" status={entry.status} />],
          [
            "Digest",
            <span key="digest" className="mono">
              {entry.hash}
            </span>,
          ],
        ]}
      />
      {Object.keys(entry.details).length > 0 && <Json value={entry.details} label="Details" />}
    </Dialog>
  );
}

function Verify() {
  const check = useMutation({ mutationFn: () => data(api.GET("/api/v1/audit/verify", { params: { query: {} } })) });
  const found = check.data;
  return (
    <>
      {check.error && <Strip tone="bad">{check.error.message}</Strip>}
      {found &&
        (found.broken_at === null ? (
          <Strip tone="good">All {count(found.entries)} entries are as they were written.</Strip>
        ) : (
          <Strip tone="bad">Entry {count(found.broken_at)} is not what was written, or one before it is missing.</Strip>
        ))}
      <Button onClick={() => check.mutate()} disabled={check.isPending}>
        Check the whole log
      </Button>
    </>
  );
}
