/** Which runs are listed. Everything here lives in the address. */
import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useId, useState } from "react";
import { api, data } from "@/api/client";
import { type Filters, useFilters } from "@/app/go";
import { Button } from "@/design/button";
import { shortId } from "@/design/data";
import { SearchField } from "@/design/fields";
import { TimeRange } from "@/design/range";
import { Status } from "@/design/status";
import { clock } from "@/format/text";
import { STATUSES, statusesOf, toggled } from "./filters";
import css from "./runs.module.css";

export function FilterBar() {
  const [filters, set] = useFilters();
  const any = Object.values(filters).some(Boolean);
  return (
    <div className={css.filters}>
      <StatusFilter filters={filters} set={set} />
      <SearchField label="Search runs" value={filters.q ?? ""} onSearch={(q) => set({ q })} />
      <FlowField value={filters.flow ?? ""} onChange={(flow) => set({ flow })} />
      <TimeRange
        label="When they began"
        since={filters.since}
        until={filters.until}
        onChange={({ since, until }) => set({ since, until })}
      />
      <Chips filters={filters} set={set} />
      {any && (
        <Button
          look="plain"
          onClick={() => set(Object.fromEntries(Object.keys(filters).map((key) => [key, undefined])))}
        >
          Clear
        </Button>
      )}
    </div>
  );
}

type Setting = { filters: Filters; set: (change: Record<string, string | undefined>) => void };

function StatusFilter({ filters, set }: Setting) {
  const on = statusesOf(filters);
  return (
    <fieldset className={css.statuses}>
      <legend className="unseen">States</legend>
      {STATUSES.map((status) => (
        <button
          key={status}
          type="button"
          className={css.toggle}
          aria-pressed={on.includes(status)}
          onClick={() => set({ status: toggled(filters, status) })}
        >
          <Status value={status} bare />
        </button>
      ))}
    </fieldset>
  );
}

/** The name of a flow, with those that are there to choose from. */
function FlowField({ value, onChange }: { value: string; onChange: (value: string | undefined) => void }) {
  const id = useId();
  const flows = useQuery({
    queryKey: ["flows", "names"],
    queryFn: () => data(api.GET("/api/v1/flows", { params: { query: { limit: 1_000 } } })),
    staleTime: 60_000,
  });
  const [text, setText] = useState<string | null>(null);
  const give = (next: string) => {
    setText(null);
    if (next !== value) onChange(next || undefined);
  };
  return (
    <span className={css.flow}>
      <input
        aria-label="Flow"
        placeholder="Any flow"
        list={id}
        value={text ?? value}
        onChange={(event) => {
          const next = event.target.value;
          // Chosen from the list, or emptied: at once. What is typed waits for Enter.
          if (next === "" || flows.data?.items.some((flow) => flow.name === next)) give(next);
          else setText(next);
        }}
        onKeyDown={(event) => event.key === "Enter" && give(event.currentTarget.value)}
        onBlur={(event) => give(event.target.value)}
      />
      <datalist id={id}>
        {flows.data?.items.map((flow) => (
          <option key={flow.name} value={flow.name} />
        ))}
      </datalist>
    </span>
  );
}

const CHIPS = {
  label: "Label",
  trigger: "Trigger",
  event: "Event",
  parent: "Called by",
  error: "Error",
  finished_since: "Ended since",
  finished_until: "Ended until",
} as const;

/** Filters that one comes with from elsewhere: seen, and to be put away. */
function Chips({ filters, set }: Setting) {
  return Object.entries(CHIPS).map(([name, label]) =>
    filters[name] ? (
      <button
        key={name}
        type="button"
        className={css.chip}
        title={filters[name]}
        aria-label={`${label} ${filters[name]}: put this filter away`}
        onClick={() => set({ [name]: undefined })}
      >
        {label} <span className="mono">{short(filters[name])}</span> <X aria-hidden />
      </button>
    ) : null,
  );
}

/** A time as it is read, an id so that it is known again. */
function short(value: string): string {
  const isTime = /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value));
  return isTime ? clock(value, Date.now()) : shortId(value);
}
