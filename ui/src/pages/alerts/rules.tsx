/** The rules, and how each stands. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, Plus, Ruler } from "lucide-react";
import { useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button, IconButton } from "@/design/button";
import { Confirm, doing, Menu } from "@/design/overlays";
import { Empty } from "@/design/states";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { count } from "@/format/text";
import css from "./alerts.module.css";
import { RuleDialog } from "./rule-form";

export type Rule = Shapes["RuleShape"];

const KEY = ["alerts", "rules"];

export function Rules() {
  const may = useMay("operator");
  const [open, setOpen] = useState<Rule | "new" | null>(null);
  useRefresh(["alert"], KEY);
  const rules = useQuery({ queryKey: KEY, queryFn: () => data(api.GET("/api/v1/alerts/rules")) });
  const add = may && (
    <Button look="main" onClick={() => setOpen("new")}>
      <Plus aria-hidden /> New rule
    </Button>
  );
  return (
    <div className={css.tab}>
      <div className={css.tools}>{add && <span className={css.end}>{add}</span>}</div>
      <Table
        label="Rules"
        rows={rules.data?.items}
        error={rules.error}
        again={() => void rules.refetch()}
        id={({ name }) => name}
        {...(may ? { onOpen: setOpen } : {})}
        columns={useColumns(may)}
        empty={
          <Empty title="There are no rules" icon={Ruler} action={add}>
            Without one nobody is told that something is wrong.
          </Empty>
        }
      />
      {open && <RuleDialog rule={open === "new" ? null : open} onClose={() => setOpen(null)} />}
    </div>
  );
}

function useColumns(may: boolean): Column<Rule>[] {
  const client = useQueryClient();
  const again = () => void client.invalidateQueries({ queryKey: ["alerts"] });
  const columns: Column<Rule>[] = [
    {
      name: "State",
      width: "104px",
      cell: ({ state }) => <Status value={state === "off" ? "disabled" : state} label={state} bare />,
    },
    { name: "Rule", width: "170px", cell: ({ name }) => <span title={name}>{name}</span> },
    { name: "Severity", width: "100px", secondary: true, cell: ({ severity }) => <Status value={severity} bare /> },
    { name: "Says", secondary: true, cell: (rule) => <span title={says(rule)}>{says(rule)}</span> },
    {
      name: "Alerts",
      width: "72px",
      right: true,
      secondary: true,
      cell: ({ name, alerts, overflow }) => (
        <Go className="counted" to={address("/alerts", { rule: name })}>
          {count(alerts)}
          {overflow > 0 && `+${count(overflow)}`}
        </Go>
      ),
    },
  ];
  if (!may) return columns;
  const turn = async (rule: Rule) => {
    const path = { params: { path: { name: rule.name } } };
    const done = `${rule.name} is ${rule.enabled ? "off" : "on"}`;
    await doing(
      api.PUT("/api/v1/alerts/rules/{name}", { ...path, body: written({ ...rule, enabled: !rule.enabled }) as never }),
      done,
    );
    again();
  };
  columns.push({
    name: "Change",
    width: "72px",
    right: true,
    cell: (rule) => <Acts rule={rule} again={again} onTurn={() => turn(rule)} />,
  });
  return columns;
}

function Acts({ rule, again, onTurn }: { rule: Rule; again: () => void; onTurn: () => void }) {
  const [removing, setRemoving] = useState(false);
  return (
    <>
      <Menu
        trigger={
          <IconButton label={`Change ${rule.name}`}>
            <Ellipsis aria-hidden />
          </IconButton>
        }
        items={[
          { label: rule.enabled ? "Switch off" : "Switch on", onSelect: onTurn },
          { label: "Remove rule", onSelect: () => setRemoving(true), danger: true },
        ]}
      />
      <Confirm
        title={`Remove the rule ${rule.name}?`}
        says="Its alerts are resolved. It does not come back by itself."
        verb="Remove rule"
        danger
        open={removing}
        onOpen={setRemoving}
        onConfirm={async () => {
          await api.DELETE("/api/v1/alerts/rules/{name}", { params: { path: { name: rule.name } } });
          again();
        }}
      />
    </>
  );
}

/** What somebody has said of a rule, without how it stands and what its kind does not know. */
export function written(rule: Rule): Record<string, unknown> {
  const { updated_at, updated_by, state, alerts, overflow, ...said } = rule;
  return Object.fromEntries(
    Object.entries(said).filter(
      ([, value]) => value !== null && !(typeof value === "object" && Object.keys(value).length === 0),
    ),
  );
}

function says({ kind, description, threshold, window, flow, percentile, queue }: Rule): string {
  if (description) return description;
  const parts = [
    kind.replaceAll("_", " "),
    percentile,
    queue,
    threshold,
    window && `in ${window}`,
    flow && `of ${flow}`,
  ];
  return parts.filter((part) => part !== null && part !== undefined && part !== "").join(" ");
}
