/** What starts a flow: whether each trigger really listens, since when, and what it waits for. */
import { Zap } from "lucide-react";
import { useFilters } from "@/app/go";
import { Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Status } from "@/design/status";
import { Table } from "@/design/table";
import { Time } from "@/design/time";
import { columns } from "@/pages/triggers/columns";
import { TriggerDetail } from "@/pages/triggers/detail";
import { sorted } from "@/pages/triggers/triggers";
import css from "./flow.module.css";
import type { FlowWhole } from "./types";
import { Upcoming } from "./upcoming";

const BY_HAND = (
  <Empty title="Nothing starts it by itself" icon={Zap}>
    It has no trigger: somebody runs it, or another flow calls it.
  </Empty>
);

export function TriggerTruth({ flow }: { flow: FlowWhole }) {
  return (
    <Section title="Triggers">
      {flow.triggers.length === 0 ? (
        BY_HAND
      ) : (
        <ul className={css.truths}>
          {sorted(flow.triggers).map((trigger) => (
            <li key={trigger.key}>
              <div className={css.truth}>
                <Status value={trigger.state} bare />
                <span className="quiet">
                  <Time at={trigger.since} />
                </span>
              </div>
              <p>{trigger.says ? `when ${trigger.says}` : trigger.key}</p>
              {trigger.reason && <p className={trigger.state === "failed" ? css.bad : "quiet"}>{trigger.reason}</p>}
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

export function FlowTriggers({ flow }: { flow: FlowWhole }) {
  const [filters, set] = useFilters();
  const open = flow.triggers.find((trigger) => trigger.key === filters.trigger);
  return (
    <div className={css.main}>
      <Section title="Triggers">
        <Table
          label={`Triggers of ${flow.name}`}
          columns={columns}
          rows={sorted(flow.triggers)}
          id={(trigger) => trigger.key}
          onOpen={(trigger) => set({ trigger: trigger.key })}
          empty={BY_HAND}
        />
        {open && <TriggerDetail row={open} onClose={() => set({ trigger: undefined })} />}
      </Section>
      <Upcoming flow={flow} />
    </div>
  );
}
