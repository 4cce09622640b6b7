/** Secrets: their names and who uses them. A value goes in and never comes out. */
import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Bar } from "@/design/bar";
import { Button } from "@/design/button";
import { SearchField } from "@/design/fields";
import { Page, Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import { ForgetSecret, SetSecret } from "./set";

export type Secret = Shapes["SecretShape"];

export default function Secrets() {
  const [filters, set] = useFilters();
  const may = useMay("operator");
  const [name, setName] = useState<string | null>(null);
  const query = useQuery({
    queryKey: ["secrets"],
    queryFn: ({ signal }) => data(api.GET("/api/v1/secrets", { params: { query: { limit: 1_000 } }, signal })),
  });
  useRefresh(["flow", "connection"], ["secrets"], { every: 2_000 });
  const words = (filters.q ?? "").toLowerCase();
  const rows = query.data?.items.filter((one) => `${one.name} ${usersOf(one)}`.toLowerCase().includes(words));
  const close = () => setName(null);
  return (
    <Page
      title="Secrets"
      says="What flows and connections may use and nobody may see: a value goes in and never comes out."
      actions={
        may && (
          <Button look="main" onClick={() => setName("")}>
            <Plus aria-hidden /> Set a secret
          </Button>
        )
      }
    >
      <Section>
        <Bar label="Filters">
          <SearchField label="Search secrets" value={filters.q ?? ""} onSearch={(q) => set({ q })} />
        </Bar>
        <Table
          label="Secrets"
          columns={columnsOf(may, setName)}
          rows={rows}
          id={(one) => one.name}
          error={query.error}
          again={() => void query.refetch()}
          empty={<Nothing searched={words !== ""} />}
        />
      </Section>
      {name !== null && <SetSecret name={name} onClose={close} />}
    </Page>
  );
}

export function usersOf(one: Secret): string {
  return [...one.flows, ...one.connections.map((name) => `connection ${name}`)].join(", ");
}

function columnsOf(may: boolean, onSet: (name: string) => void): readonly Column<Secret>[] {
  const columns: Column<Secret>[] = [
    {
      name: "State",
      width: "112px",
      cell: (one) => (
        <Status value={one.version === null ? "failed" : "ok"} label={one.version === null ? "missing" : "set"} />
      ),
    },
    { name: "Name", cell: (one) => <span className="mono">{one.name}</span> },
    {
      name: "Used by",
      width: "32%",
      secondary: true,
      cell: (one) => <span title={usersOf(one)}>{usersOf(one) || <span className="quiet">nobody</span>}</span>,
    },
    { name: "Version", width: "76px", right: true, wide: true, cell: (one) => one.version ?? "–" },
    { name: "Changed", width: "96px", secondary: true, cell: (one) => <Time at={one.updated_at} /> },
  ];
  if (!may) return columns;
  const commands = (one: Secret) => (
    <>
      <Button look="plain" onClick={() => onSet(one.name)}>
        {one.version === null ? "Set" : "Change"}
      </Button>
      {one.version !== null && <ForgetSecret one={one} users={usersOf(one)} />}
    </>
  );
  return [...columns, { name: "Do", width: "176px", right: true, cell: commands }];
}

function Nothing({ searched }: { searched: boolean }) {
  if (searched) return <Empty title="No secret is called like that">Look for a part of its name.</Empty>;
  return (
    <Empty title="No secrets yet" icon={KeyRound}>
      Set one here or with `reactor secrets set NAME`; flows use it as {"{{ secrets.NAME }}"} within `with`.
    </Empty>
  );
}
