/** Approvals: who is asked what, since when, until when, and what happens then. */
import { Inbox } from "lucide-react";
import { useFilters } from "@/app/go";
import { Bar, Toggles } from "@/design/bar";
import { Page, Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Table } from "@/design/table";
import { useApprovals } from "./approvals";
import { decidedColumns, openColumns } from "./columns";
import { ApprovalDialog } from "./detail";

const VIEWS = [
  { value: "", label: "Waiting" },
  { value: "decided", label: "Decided" },
] as const;

export default function Approvals() {
  const [filters, set] = useFilters();
  const decided = filters.view === "decided";
  const list = useApprovals(!decided);
  return (
    <Page title="Approvals" says="What waits for people. A run goes on when they have decided.">
      <Section>
        <Bar label="Which">
          <Toggles
            label="Which"
            value={filters.view ?? ""}
            options={VIEWS}
            onChange={(view) => set({ view: view || undefined })}
          />
        </Bar>
        <Table
          label={decided ? "Decided approvals" : "Open approvals"}
          columns={decided ? decidedColumns : openColumns}
          rows={list.items}
          id={(one) => one.id}
          onOpen={(one) => set({ id: one.id })}
          error={list.error}
          again={list.again}
          more={list.more}
          empty={<Nothing decided={decided} />}
        />
      </Section>
      {filters.id && <ApprovalDialog key={filters.id} id={filters.id} onClose={() => set({ id: undefined })} />}
    </Page>
  );
}

function Nothing({ decided }: { decided: boolean }) {
  if (decided) return <Empty title="Nobody has decided anything yet">Decisions stay here, with who made them.</Empty>;
  return (
    <Empty title="Nothing waits for people" icon={Inbox}>
      A step with `approve:` asks here. Its run waits, without holding memory, until somebody decides or the time is
      over.
    </Empty>
  );
}
