/** Events: the log of all that came, newest first, followed live, each with what it has started. */
import { Zap } from "lucide-react";
import { useMemo, useState } from "react";
import { api, data } from "@/api/client";
import { useFollowed } from "@/api/followed";
import { type Filters, useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Bar } from "@/design/bar";
import { Button } from "@/design/button";
import { FollowedTable } from "@/design/followed-table";
import { Page, Section } from "@/design/page";
import { TimeRange } from "@/design/range";
import { Empty } from "@/design/states";
import { columns, type EventRow } from "./columns";
import css from "./events.module.css";
import { SendEvent } from "./send";

const NAMES = ["type", "source", "subject", "since", "until"] as const;

function queryOf(filters: Filters): Partial<Record<(typeof NAMES)[number], string>> {
  return Object.fromEntries(NAMES.filter((name) => filters[name]).map((name) => [name, filters[name]]));
}

export default function Events() {
  const [filters] = useFilters();
  const query = useMemo(() => queryOf(filters), [filters]);
  const may = useMay("editor");
  const [sending, setSending] = useState(false);
  const events = useFollowed<EventRow>(
    ["events", query],
    (cursor, signal) => data(api.GET("/api/v1/events", { params: { query: { ...query, cursor } }, signal })),
    { kinds: ["event", "run"] },
  );
  return (
    <Page
      title="Events"
      says="All that came, newest first, and what it has started."
      actions={
        may && (
          <Button look="main" onClick={() => setSending(true)}>
            <Zap aria-hidden /> Send an event
          </Button>
        )
      }
    >
      <Section>
        <FilterBar />
        <FollowedTable
          label="Events"
          list={events}
          of={JSON.stringify(query)}
          columns={columns}
          to={(event) => `/events/${encodeURIComponent(event.id)}`}
          empty={<Nothing filtered={Object.keys(query).length > 0} />}
        />
      </Section>
      {sending && <SendEvent onClose={() => setSending(false)} />}
    </Page>
  );
}

function FilterBar() {
  const [filters, set] = useFilters();
  const any = NAMES.some((name) => filters[name]);
  return (
    <Bar label="Filters">
      <Text name="type" label="Type, or order.*" />
      <Text name="source" label="Source" />
      <Text name="subject" label="Subject" />
      <TimeRange
        label="When they came"
        since={filters.since}
        until={filters.until}
        onChange={({ since, until }) => set({ since, until })}
      />
      {any && (
        <Button look="plain" onClick={() => set(Object.fromEntries(NAMES.map((name) => [name, undefined])))}>
          Clear
        </Button>
      )}
    </Bar>
  );
}

/** A filter that is taken as it is written: applied with Enter, or when one leaves the field. */
function Text({ name, label }: { name: (typeof NAMES)[number]; label: string }) {
  const [filters, set] = useFilters();
  const there = filters[name] ?? "";
  const [text, setText] = useState<string | null>(null);
  const give = (value: string) => {
    setText(null);
    if (value !== there) set({ [name]: value.trim() });
  };
  return (
    <span className={css.filter}>
      <input
        aria-label={label}
        placeholder={label}
        value={text ?? there}
        onChange={(event) => (event.target.value ? setText(event.target.value) : give(""))}
        onKeyDown={(event) => event.key === "Enter" && give(event.currentTarget.value)}
        onBlur={(event) => text !== null && give(event.target.value)}
      />
    </span>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const [, set] = useFilters();
  const clear = () => set(Object.fromEntries(NAMES.map((name) => [name, undefined])));
  if (filtered) {
    return (
      <Empty title="No event is like that" icon={Zap} action={<Button onClick={clear}>Show all events</Button>}>
        A type is looked for as a whole, or with a star at its end: order.* finds order.created.
      </Empty>
    );
  }
  return (
    <Empty title="No event has come yet" icon={Zap}>
      Send one from here, or from outside: POST /events. What a trigger takes in is shown here, too.
    </Empty>
  );
}
