/** People: their roles, and whether they are let in. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, Plus, UserRoundPlus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { ROLES, type Role, useMe } from "@/app/me";
import { Button, IconButton } from "@/design/button";
import { Check, Choice, Input, Select } from "@/design/fields";
import { Confirm, Dialog, doing, Menu } from "@/design/overlays";
import { Empty } from "@/design/states";
import { Badge, Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import css from "./access.module.css";

type User = Shapes["UserShape"];

const KEY = ["users"];
const OPTIONS = ROLES.map((role) => [role, role] as const);

export function Users() {
  const [adding, setAdding] = useState(false);
  const users = useQuery({
    queryKey: KEY,
    queryFn: () => data(api.GET("/api/v1/users", { params: { query: { limit: 1_000 } } })),
  });
  const columns = useColumns();
  const add = (
    <Button look="main" onClick={() => setAdding(true)}>
      <Plus aria-hidden /> Add user
    </Button>
  );
  return (
    <div className={css.tab}>
      <div className={css.tools}>{(users.data?.items.length ?? 0) > 0 && add}</div>
      <Table
        label="Users"
        rows={users.data?.items}
        error={users.error}
        again={() => void users.refetch()}
        id={({ name }) => name}
        columns={columns}
        empty={
          <Empty title="Only the admin token lets in" icon={UserRoundPlus} action={add}>
            Give each person a name and a role of their own: the audit log then tells who did what.
          </Empty>
        }
      />
      {adding && <AddUser onOpen={setAdding} />}
    </div>
  );
}

function useColumns(): Column<User>[] {
  const client = useQueryClient();
  const me = useMe();
  const after = () => void client.invalidateQueries({ queryKey: KEY });
  const change = async (name: string, body: { role?: Role; disabled?: boolean }, done: string) => {
    await doing(api.PATCH("/api/v1/users/{name}", { params: { path: { name } }, body: body as never }), done);
    after();
  };
  return [
    {
      name: "Name",
      cell: ({ name }) => (
        <span title={name}>
          {name} {name === me.user && <Badge>you</Badge>}
        </span>
      ),
    },
    {
      name: "Role",
      width: "132px",
      cell: ({ name, role }) => (
        <Choice
          label={`Role of ${name}`}
          options={OPTIONS}
          value={role}
          disabled={name === me.user}
          onChange={(event) => change(name, { role: event.target.value as Role }, `${name} is ${event.target.value}`)}
        />
      ),
    },
    {
      name: "Signs in by",
      width: "180px",
      secondary: true,
      cell: ({ password, issuer }) => (
        <span title={issuer ?? undefined}>
          {[password && "password", issuer?.replace(/^https?:\/\//, "")].filter(Boolean).join(", ") || "OIDC"}
        </span>
      ),
    },
    {
      name: "State",
      width: "104px",
      secondary: true,
      cell: ({ disabled }) => (
        <Status value={disabled ? "disabled" : "ok"} label={disabled ? "kept out" : "let in"} bare />
      ),
    },
    { name: "Since", width: "84px", right: true, secondary: true, cell: ({ created_at }) => <Time at={created_at} /> },
    {
      name: "Change",
      width: "76px",
      right: true,
      cell: (user) => (
        <Acts
          user={user}
          mine={user.name === me.user}
          after={after}
          onTurn={() =>
            change(user.name, { disabled: !user.disabled }, `${user.name} is ${user.disabled ? "let in" : "kept out"}`)
          }
        />
      ),
    },
  ];
}

function Acts({ user, mine, after, onTurn }: { user: User; mine: boolean; after: () => void; onTurn: () => void }) {
  const [removing, setRemoving] = useState(false);
  return (
    <>
      <Menu
        trigger={
          <IconButton label={`Change ${user.name}`} disabled={mine}>
            <Ellipsis aria-hidden />
          </IconButton>
        }
        items={[
          { label: user.disabled ? "Let in" : "Keep out", onSelect: onTurn },
          { label: "Remove user", onSelect: () => setRemoving(true), danger: true },
        ]}
      />
      <Confirm
        title={`Remove ${user.name}?`}
        says="All tokens and sessions of this user end now. What they did stays in the audit log."
        verb="Remove user"
        danger
        open={removing}
        onOpen={setRemoving}
        onConfirm={async () => {
          await api.DELETE("/api/v1/users/{name}", { params: { path: { name: user.name } } });
          after();
        }}
      />
    </>
  );
}

function AddUser({ onOpen }: { onOpen: (open: boolean) => void }) {
  const client = useQueryClient();
  const [wrong, setWrong] = useState<string | null>(null);
  const [oidc, setOidc] = useState(false);
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = String(form.get("name") ?? "");
    const role = String(form.get("role")) as Role;
    const password = oidc ? null : String(form.get("password") ?? "");
    try {
      await api.POST("/api/v1/users", { body: { name, role, password } });
      void client.invalidateQueries({ queryKey: KEY });
      onOpen(false);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Dialog title="Add user" open onOpen={onOpen}>
      <form onSubmit={add} style={{ display: "contents" }}>
        <Input
          label="Name"
          name="name"
          required
          autoFocus
          autoComplete="off"
          wrong={wrong}
          hint={oidc ? "The address that the issuer has verified." : "What they sign in with."}
        />
        <Select label="Role" name="role" options={OPTIONS} defaultValue="viewer" />
        <Check label="Signs in by OIDC instead" checked={oidc} onChange={() => setOidc(!oidc)} />
        {!oidc && <Input label="Password" name="password" type="password" required autoComplete="new-password" />}
        <div>
          <Button look="main" type="submit">
            Add user
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
