/** Browsers that somebody has signed in with. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { Button } from "@/design/button";
import { Confirm } from "@/design/overlays";
import { Empty } from "@/design/states";
import { Badge } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import css from "./access.module.css";
import { browserOf } from "./agent";

type Session = Shapes["SessionShape"];

const KEY = ["sessions"];

export function Sessions() {
  const client = useQueryClient();
  const sessions = useQuery({
    queryKey: KEY,
    queryFn: () => data(api.GET("/api/v1/sessions", { params: { query: { limit: 1_000 } } })),
  });
  return (
    <div className={css.tab}>
      <Table
        label="Sessions"
        rows={sessions.data?.items}
        error={sessions.error}
        again={() => void sessions.refetch()}
        id={({ id }) => id}
        columns={columns(() => void client.invalidateQueries({ queryKey: KEY }))}
        empty={<Empty title="Nobody is signed in">You came with a token, not in a browser.</Empty>}
      />
    </div>
  );
}

function columns(after: () => void): Column<Session>[] {
  return [
    {
      name: "Who",
      cell: ({ user, current }) => (
        <span title={user}>
          {user} {current && <Badge tone="good">this one</Badge>}
        </span>
      ),
    },
    { name: "By", width: "92px", secondary: true, cell: ({ via }) => via },
    { name: "Browser", width: "150px", cell: ({ agent }) => <span title={agent}>{browserOf(agent)}</span> },
    { name: "From", width: "150px", secondary: true, cell: ({ address }) => <span className="mono">{address}</span> },
    { name: "Since", width: "84px", right: true, secondary: true, cell: ({ created_at }) => <Time at={created_at} /> },
    { name: "Seen", width: "84px", right: true, secondary: true, cell: ({ seen_at }) => <Time at={seen_at} /> },
    {
      name: "Change",
      width: "96px",
      right: true,
      cell: (session) => (
        <Confirm
          title={session.current ? "End this very session?" : `End this session of ${session.user}?`}
          says={`Whoever uses ${browserOf(session.agent)} at ${session.address} has to sign in again.`}
          verb="End session"
          danger
          trigger={<Button look="danger">End</Button>}
          onConfirm={async () => {
            await api.DELETE("/api/v1/sessions/{id}", { params: { path: { id: session.id } } });
            after();
          }}
        />
      ),
    },
  ];
}
