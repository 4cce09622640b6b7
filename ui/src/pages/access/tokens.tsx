/** Tokens for programs: made here, shown once, and revoked here. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { ROLES, type Role, useMe } from "@/app/me";
import { Button } from "@/design/button";
import { Copy } from "@/design/data";
import { Input, Select } from "@/design/fields";
import { Confirm, Dialog } from "@/design/overlays";
import { Empty, Strip } from "@/design/states";
import { Badge } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import css from "./access.module.css";

type Token = Shapes["TokenShape"];

const KEY = ["tokens"];
const LASTING = [
  ["30d", "30 days"],
  ["90d", "90 days"],
  ["365d", "a year"],
  ["", "until it is revoked"],
] as const;

export function Tokens() {
  const [making, setMaking] = useState(false);
  const client = useQueryClient();
  const tokens = useQuery({
    queryKey: KEY,
    queryFn: () => data(api.GET("/api/v1/tokens", { params: { query: { limit: 1_000 } } })),
  });
  const after = () => void client.invalidateQueries({ queryKey: KEY });
  const make = (
    <Button look="main" onClick={() => setMaking(true)}>
      <Plus aria-hidden /> New token
    </Button>
  );
  return (
    <div className={css.tab}>
      <div className={css.tools}>{(tokens.data?.items.length ?? 0) > 0 && make}</div>
      <Table
        label="Tokens"
        rows={tokens.data?.items}
        error={tokens.error}
        again={() => void tokens.refetch()}
        id={({ id }) => id}
        columns={columns(after)}
        empty={
          <Empty title="There are no tokens" icon={KeyRound} action={make}>
            A token lets a program in with a role of its own, for some flows or all, until it expires.
          </Empty>
        }
      />
      {making && <NewToken onOpen={setMaking} after={after} />}
    </div>
  );
}

function columns(after: () => void): Column<Token>[] {
  return [
    { name: "Name", cell: ({ name }) => <span title={name}>{name}</span> },
    { name: "Of", width: "132px", secondary: true, cell: ({ owner }) => <span title={owner}>{owner}</span> },
    { name: "Role", width: "92px", secondary: true, cell: ({ role }) => role },
    { name: "Good for", width: "200px", secondary: true, cell: (token) => <GoodFor token={token} /> },
    {
      name: "Used",
      width: "84px",
      right: true,
      secondary: true,
      cell: ({ used_at }) => (used_at ? <Time at={used_at} /> : "never"),
    },
    {
      name: "Expires",
      width: "96px",
      right: true,
      cell: ({ expires_at }) => (expires_at ? <Time at={expires_at} /> : "never"),
    },
    {
      name: "Change",
      width: "108px",
      right: true,
      cell: (token) => (
        <Confirm
          title={`Revoke ${token.name}?`}
          says="Whatever program uses it is refused from now on. It cannot be brought back."
          verb="Revoke token"
          danger
          trigger={<Button look="danger">Revoke</Button>}
          onConfirm={async () => {
            await api.DELETE("/api/v1/tokens/{id}", { params: { path: { id: token.id } } });
            after();
          }}
        />
      ),
    },
  ];
}

function GoodFor({ token }: { token: Token }) {
  const parts = [...token.scopes, ...token.flows.map((flow) => `flow ${flow}`)];
  if (parts.length === 0) return <span className="quiet">all that its role may</span>;
  return <span title={parts.join(", ")}>{parts.join(", ")}</span>;
}

function NewToken({ onOpen, after }: { onOpen: (open: boolean) => void; after: () => void }) {
  const [made, setMade] = useState<Shapes["TokenMade"] | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const me = useMe();
  const roles = ROLES.slice(0, ROLES.indexOf(me.role) + 1).map((role) => [role, role] as const);
  const make = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const words = (name: string) =>
      String(form.get(name) ?? "")
        .split(/[\s,]+/)
        .filter(Boolean);
    const body = {
      name: String(form.get("name") ?? ""),
      role: String(form.get("role")) as Role,
      expires: String(form.get("expires")) || null,
      scopes: words("scopes"),
      flows: words("flows"),
    };
    try {
      setMade(await data(api.POST("/api/v1/tokens", { body })));
      after();
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  if (made) return <Made made={made} onOpen={onOpen} />;
  return (
    <Dialog title="New token" open onOpen={onOpen}>
      <form onSubmit={make} style={{ display: "contents" }}>
        <Input
          label="Name"
          name="name"
          required
          autoFocus
          autoComplete="off"
          hint="What uses it: ci, grafana …"
          wrong={wrong}
        />
        <Select label="Role" name="role" options={roles} defaultValue="viewer" />
        <Select label="Good for" name="expires" options={LASTING} defaultValue="90d" />
        <Input
          label="Only these parts of the API"
          name="scopes"
          placeholder="all"
          hint="With commas: runs, flows, ingest …"
        />
        <Input
          label="Only these flows"
          name="flows"
          placeholder="all"
          hint="With commas; * stands for any characters."
        />
        <div>
          <Button look="main" type="submit">
            Make token
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Made({ made, onOpen }: { made: Shapes["TokenMade"]; onOpen: (open: boolean) => void }) {
  return (
    <Dialog
      title={`Token ${made.name}`}
      open
      onOpen={onOpen}
      foot={
        <Button look="main" onClick={() => onOpen(false)}>
          I have it
        </Button>
      }
    >
      <Strip tone="warn">This is the only time that it is shown: Reactor keeps a digest of it, and nothing else.</Strip>
      <p className={css.token}>
        <code>{made.token}</code> <Copy text={made.token} label="Copy the token" /> <Badge>{made.role}</Badge>
      </p>
    </Dialog>
  );
}
