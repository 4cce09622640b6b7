/** All steps of a run as a list that can be searched. */
import { useMemo, useState } from "react";
import { Choice, SearchField } from "@/design/fields";
import { Empty, Shown } from "@/design/states";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { span } from "@/format/text";
import { isOver, type RunWhole, type TimelineData, useTimeline } from "./queries";
import css from "./run.module.css";
import type { Lane } from "./timeline/tree";

const STATES = ["running", "waiting", "paused", "completed", "failed", "cancelled", "skipped"];

const columns: readonly Column<Lane>[] = [
  { name: "Status", width: "128px", cell: (lane) => <Status value={lane.status} /> },
  {
    name: "Step",
    cell: (lane) => (
      <span className="mono" title={lane.path}>
        {lane.path}
      </span>
    ),
  },
  {
    name: "Action",
    width: "150px",
    secondary: true,
    cell: (lane) => <span className="quiet">{lane.action ?? ""}</span>,
  },
  { name: "Attempts", width: "84px", right: true, secondary: true, cell: (lane) => lane.attempts || "" },
  { name: "Took", width: "84px", right: true, secondary: true, cell: took },
  {
    name: "Error",
    width: "30%",
    secondary: true,
    cell: (lane) =>
      lane.error && (
        <span title={lane.error} style={{ color: "var(--bad)" }}>
          {lane.error}
        </span>
      ),
  },
];

function took(lane: Lane): string {
  return lane.start != null && lane.end != null ? span(lane.end - lane.start) : "";
}

interface StepsProps {
  run: RunWhole;
  step: string | null;
  onSelect: (path: string) => void;
}

export function Steps({ run, step, onSelect }: StepsProps) {
  const line = useTimeline(run.id, !isOver(run));
  return (
    <section className={css.sheet} aria-label="Steps">
      <Shown value={line.data} error={line.error} again={() => void line.refetch()}>
        {(found) => <List data={found} step={step} onSelect={onSelect} />}
      </Shown>
    </section>
  );
}

function List({ data, step, onSelect }: { data: TimelineData; step: string | null; onSelect: (path: string) => void }) {
  const [text, setText] = useState("");
  const [status, setStatus] = useState("");
  const lanes = useMemo(() => {
    const wanted = text.toLowerCase();
    return [...data.lanes.values()].filter(
      (lane) => (!status || lane.status === status) && (!wanted || said(lane).includes(wanted)),
    );
  }, [data.lanes, text, status]);
  const chosen = useMemo(() => new Set(step === null ? [] : [step]), [step]);
  return (
    <>
      <div className={css.bar}>
        <SearchField label="Search steps" value={text} onSearch={setText} />
        <Choice
          label="State"
          value={status}
          options={[["", "Any state"], ...STATES.map((each) => [each, each] as const)]}
          onChange={(event) => setStatus(event.target.value)}
        />
        <span className="quiet">{lanes.length.toLocaleString("en")} steps</span>
      </div>
      <Table
        label="Steps"
        columns={columns}
        rows={lanes}
        id={(lane) => lane.path}
        onOpen={(lane) => onSelect(lane.path)}
        current={chosen}
        empty={<Empty title={data.lanes.size === 0 ? "No step has begun yet" : "No step is like that"} />}
      />
    </>
  );
}

function said(lane: Lane): string {
  return `${lane.path} ${lane.action ?? ""} ${lane.error ?? ""}`.toLowerCase();
}
