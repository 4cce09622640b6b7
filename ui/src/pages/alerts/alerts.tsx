/** What fires, what may soon, and what did. */
import { useNavigate, useParams } from "@tanstack/react-router";
import { BellRing } from "lucide-react";
import { api, data, type Shapes } from "@/api/client";
import { usePages } from "@/api/lists";
import { useRefresh } from "@/api/refresh";
import { address, useFilters } from "@/app/go";
import { Choice } from "@/design/fields";
import { Empty } from "@/design/states";
import { Badge, Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import { AlertDialog } from "./alert";
import css from "./alerts.module.css";

export type Alert = Shapes["AlertShape"];

const STATES = [
  ["active", "Firing or pending"],
  ["firing", "Firing"],
  ["pending", "Pending"],
  ["resolved", "Resolved"],
  ["all", "All"],
] as const;

const SEVERITIES = [
  ["", "Any severity"],
  ["critical", "Critical"],
  ["warning", "Warning"],
  ["info", "Info"],
] as const;

export function Alerts() {
  const [filters, set] = useFilters();
  const { id } = useParams({ strict: false }) as { id?: string };
  const navigate = useNavigate();
  const state = STATES.find(([value]) => value === filters.state)?.[0] ?? "active";
  const query = {
    state: state === "all" ? undefined : state,
    severity: filters.severity,
    rule: filters.rule,
    flow: filters.flow,
  };
  useRefresh(["alert"], ["alerts"]);
  const list = usePages(["alerts", query], (cursor, signal) =>
    data(api.GET("/api/v1/alerts", { params: { query: { ...query, cursor } as never }, signal })),
  );
  const to = (alert: string) => address(`/alerts/${alert}`, filters);
  return (
    <div className={css.tab}>
      <div className={css.tools}>
        <Choice label="State" options={STATES} value={state} onChange={(event) => set({ state: event.target.value })} />
        <Choice
          label="Severity"
          options={SEVERITIES}
          value={filters.severity ?? ""}
          onChange={(event) => set({ severity: event.target.value })}
        />
      </div>
      <Table
        label="Alerts"
        rows={list.items}
        error={list.error}
        again={list.again}
        more={list.more}
        id={(alert) => alert.id}
        to={(alert) => to(alert.id)}
        columns={COLUMNS}
        empty={
          <Empty
            title={state === "resolved" || state === "all" ? "No alert has fired yet" : "Nothing is wrong"}
            icon={BellRing}
          >
            {state === "active" ? "All rules are asked every five seconds. What was is under “Resolved”." : undefined}
          </Empty>
        }
      />
      {id && <AlertDialog id={id} onClose={() => void navigate({ to: "/alerts", search: filters } as never)} />}
    </div>
  );
}

export function stateOf(alert: Alert): string {
  if (alert.state !== "firing") return alert.state;
  if (alert.silence) return "silenced";
  return alert.acknowledged ? "acknowledged" : "firing";
}

const COLUMNS: Column<Alert>[] = [
  { name: "State", width: "128px", cell: (alert) => <Status value={stateOf(alert)} bare /> },
  { name: "Severity", width: "100px", secondary: true, cell: ({ severity }) => <Status value={severity} bare /> },
  { name: "Rule", width: "150px", secondary: true, cell: ({ rule }) => <span title={rule}>{rule}</span> },
  {
    name: "About",
    width: "170px",
    secondary: true,
    cell: ({ subject }) => <span title={subject}>{subject || "the whole"}</span>,
  },
  { name: "Why", cell: ({ reason }) => <span title={reason}>{reason}</span> },
  {
    name: "Looked after by",
    width: "140px",
    secondary: true,
    cell: ({ acknowledged }) => (acknowledged ? <Badge>{acknowledged.by}</Badge> : "–"),
  },
  { name: "Since", width: "84px", right: true, cell: ({ fired_at, since }) => <Time at={fired_at ?? since} /> },
];
