/** Runs: the list of all of them, newest first, followed live. */
import { useCallback, useEffect, useMemo, useState } from "react";
import { api, data } from "@/api/client";
import { useFollowed } from "@/api/followed";
import { useFilters } from "@/app/go";
import { Button } from "@/design/button";
import { Page, Section } from "@/design/page";
import { Empty } from "@/design/states";
import { Table } from "@/design/table";
import { columns, type RunRow } from "./columns";
import { FilterBar } from "./filter-bar";
import { queryOf, sentence } from "./filters";
import css from "./runs.module.css";

const OVER = new Set(["completed", "failed", "cancelled"]);

/** What the stream says of a run. */
function patch(change: Record<string, unknown>) {
  const { id, status, at } = change;
  if (typeof id !== "string" || typeof status !== "string") return undefined;
  const row: Partial<RunRow> = { status };
  if (OVER.has(status)) row.finished_at = String(at);
  else Object.assign(row, { finished_at: null, error: null });
  if (status === "running") Object.assign(row, { waiting_for: null, wake_at: null });
  return { id, row };
}

export default function Runs() {
  const [filters] = useFilters();
  const query = useMemo(() => queryOf(filters), [filters]);
  const runs = useFollowed<RunRow>(
    ["runs", query],
    (cursor, signal) => data(api.GET("/api/v1/runs", { params: { query: { ...query, cursor } }, signal })),
    { kinds: ["run"], patch },
  );
  const [top, setTop] = useState(true);
  const { atTop, again, torn } = runs;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a change of these holds or lets go
  useEffect(() => atTop(top), [top, query]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list begins at its top
  useEffect(() => runs.release(), [query]);
  useEffect(() => {
    if (torn && top) void again();
  }, [torn, top, again]);
  return (
    <Page title="Runs" says={sentence(filters)}>
      <Section>
        <FilterBar />
        <div className={css.list} data-stale={runs.stale}>
          <News runs={runs} />
          <Table
            label="Runs"
            columns={columns}
            rows={runs.items}
            id={(run) => run.id}
            to={(run) => `/runs/${run.id}`}
            error={runs.error}
            again={() => void again()}
            onTop={useCallback((there: boolean) => setTop(there), [])}
            more={runs.more}
            empty={<Nothing filtered={Object.keys(query).length > 0} />}
          />
        </div>
      </Section>
    </Page>
  );
}

/** New rows are told, not pushed in, while somebody reads further down. */
function News({ runs }: { runs: ReturnType<typeof useFollowed<RunRow>> }) {
  const show = () => {
    runs.release();
    if (runs.torn) void runs.again();
    document.querySelector("[data-table-frame]")?.scrollTo({ top: 0 });
    window.scrollTo({ top: 0 });
  };
  if (runs.news === 0) return null;
  return (
    <div className={css.news} role="status">
      <Button onClick={show}>{runs.torn ? `More than ${runs.news} new` : `${runs.news} new`}</Button>
    </div>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const [, set] = useFilters();
  const [filters] = useFilters();
  if (!filtered) {
    return (
      <Empty title="Nothing has run yet">
        A run appears here as soon as an event starts a flow. Send one: POST /events, or start a flow by hand on its
        page.
      </Empty>
    );
  }
  const clear = () => set(Object.fromEntries(Object.keys(filters).map((key) => [key, undefined])));
  return (
    <Empty title="No run is like that" action={<Button onClick={clear}>Show all runs</Button>}>
      There may be some with other filters.
    </Empty>
  );
}
