/** What is told of each flow, and where each figure leads. */
import { useQueryClient } from "@tanstack/react-query";
import { MoreHorizontal } from "lucide-react";
import { useMemo } from "react";
import { api } from "@/api/client";
import { address, Go } from "@/app/go";
import { useMay } from "@/app/me";
import { IconButton } from "@/design/button";
import { Sparkline } from "@/design/data";
import { doing, Menu } from "@/design/overlays";
import { Status } from "@/design/status";
import type { Column } from "@/design/table";
import { Time } from "@/design/time";
import { percent, plural, span } from "@/format/text";
import css from "./flows.module.css";
import { type Figures, type FlowRow, nextFire, stateOf, worstTrigger } from "./states";

export interface Listed {
  flow: FlowRow;
  figures?: Figures;
  since?: string;
}

export function useColumns(): readonly Column<Listed>[] {
  const may = useMay("editor");
  return useMemo(
    () => [
      { name: "Flow", cell: ({ flow }) => <Named flow={flow} /> },
      { name: "State", width: "118px", cell: ({ flow }) => <State flow={flow} /> },
      { name: "Last 24 h", width: "150px", secondary: true, cell: (row) => <Line {...row} /> },
      { name: "Success", width: "84px", right: true, secondary: true, cell: (row) => <Success {...row} /> },
      {
        name: "p95",
        width: "76px",
        right: true,
        secondary: true,
        cell: ({ figures }) => (figures?.p95 == null ? <None /> : span(figures.p95)),
      },
      { name: "Last run", width: "108px", cell: ({ figures }) => <LastRun figures={figures} /> },
      { name: "Next", width: "84px", secondary: true, cell: ({ flow }) => <Time at={nextFire(flow)} /> },
      ...(may
        ? [{ name: "Actions", width: "72px", secondary: true, cell: ({ flow }: Listed) => <Actions flow={flow} /> }]
        : []),
    ],
    [may],
  );
}

function None() {
  return <span className="quiet">–</span>;
}

function Named({ flow }: { flow: FlowRow }) {
  return (
    <span className={css.named} title={flow.description || flow.sentence}>
      <Go to={`/flows/${encodeURIComponent(flow.name)}`} className={css.name}>
        {flow.name}
      </Go>
      <span className="quiet">{flow.sentence}</span>
    </span>
  );
}

function State({ flow }: { flow: FlowRow }) {
  const state = stateOf(flow);
  if (state === "by hand") return <Status value="unknown" label="by hand" bare />;
  if (state === "broken") {
    const problems = flow.problems.filter((problem) => problem.severity === "error");
    return (
      <Go to={`/flows/${encodeURIComponent(flow.name)}?tab=yaml`} title={problems[0]?.message}>
        <Status value="error" label="broken file" bare />
      </Go>
    );
  }
  if (state === "disabled") return <Status value="disabled" bare />;
  const worst = worstTrigger(flow.triggers);
  return (
    <Go to={address("/triggers", { flow: flow.name })} title={worst?.reason || undefined}>
      <Status value={state} bare />
    </Go>
  );
}

function runs(flow: string, since: string | undefined, more: Record<string, string> = {}): string {
  return address("/runs", { flow, finished_since: since, ...more });
}

function Line({ flow, figures, since }: Listed) {
  if (!figures || figures.runs === 0) return <None />;
  const label = `${plural(figures.runs, "run")} ended in the last 24 hours, ${figures.failed} of them failed`;
  return (
    <Go to={runs(flow.name, since)} title={label}>
      <Sparkline values={figures.line_runs} marks={figures.line_failed} label={label} />
    </Go>
  );
}

function Success({ flow, figures, since }: Listed) {
  if (!figures || figures.success_rate == null) return <None />;
  const failed = figures.failed > 0;
  return (
    <Go
      to={runs(flow.name, since, failed ? { status: "failed" } : {})}
      className={`counted ${failed ? css.bad : ""}`}
      title={`${figures.completed} completed, ${figures.failed} failed`}
    >
      {percent(figures.success_rate)}
    </Go>
  );
}

function LastRun({ figures }: { figures?: Figures }) {
  const run = figures?.last_run;
  if (!run) return <None />;
  return (
    <Go to={`/runs/${encodeURIComponent(run.id)}`} className={css.last}>
      <Status value={run.status} bare label=" " />
      <span className="unseen">{run.status}</span>
      <Time at={run.created_at} />
    </Go>
  );
}

function Actions({ flow }: { flow: FlowRow }) {
  const client = useQueryClient();
  const { name } = flow;
  const set = async (verb: "enable" | "disable") => {
    const params = { params: { path: { name } } };
    const answer =
      verb === "enable"
        ? api.POST("/api/v1/flows/{name}/enable", params)
        : api.POST("/api/v1/flows/{name}/disable", params);
    await doing(answer, verb === "enable" ? `${name} starts runs again.` : `${name} starts no more runs.`);
    await client.invalidateQueries({ queryKey: ["flows"] });
  };
  return (
    <Menu
      trigger={
        <IconButton label={`Actions for ${name}`}>
          <MoreHorizontal aria-hidden />
        </IconButton>
      }
      items={[
        flow.enabled
          ? { label: "Disable flow", onSelect: () => void set("disable") }
          : { label: "Enable flow", onSelect: () => void set("enable") },
      ]}
    />
  );
}
