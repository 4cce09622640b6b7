/** Runs: the list of all of them, newest first, followed live. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { api, data } from "@/api/client";
import { useFollowed } from "@/api/followed";
import { useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { FollowedTable } from "@/design/followed-table";
import { Page, Section } from "@/design/page";
import { Empty, Loading } from "@/design/states";
import { count } from "@/format/text";
import { Chosen } from "./chosen";
import { columns, type RunRow } from "./columns";
import { FilterBar } from "./filter-bar";
import { queryOf, type RunQuery, sentence } from "./filters";
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

function useRuns(query: RunQuery) {
  return useFollowed<RunRow>(
    ["runs", query],
    (cursor, signal) => data(api.GET("/api/v1/runs", { params: { query: { ...query, cursor } }, signal })),
    { kinds: ["run"], patch },
  );
}

/** How many there are in all; asked less often than the list. */
function useCount(query: RunQuery): string {
  const found = useQuery({
    queryKey: ["runs-count", query],
    queryFn: ({ signal }) => data(api.GET("/api/v1/runs/count", { params: { query }, signal })),
    refetchInterval: 10_000,
    retry: false,
  });
  if (!found.data) return "";
  return `${found.data.exact ? "" : "at least "}${count(found.data.count)}`;
}

export default function Runs() {
  const [filters] = useFilters();
  const query = useMemo(() => queryOf(filters), [filters]);
  const found = useCount(query);
  return (
    <Page title="Runs" mark={found && <span className={css.found}>{found}</span>} says={sentence(filters)}>
      <Section>
        <FilterBar />
        <List query={query} found={found} />
      </Section>
    </Page>
  );
}

function List({ query, found }: { query: RunQuery; found: string }) {
  const runs = useRuns(query);
  const may = useMay("operator");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  // biome-ignore lint/correctness/useExhaustiveDependencies: in another list nothing is chosen
  useEffect(() => setChosen(new Set()), [query]);
  useFurther(runs, query);
  return (
    <>
      {may && <Chosen chosen={chosen} query={query} found={found} onClear={() => setChosen(new Set())} />}
      <FollowedTable
        label="Runs"
        list={runs}
        of={JSON.stringify(query)}
        held={chosen.size > 0}
        columns={columns}
        to={(run) => `/runs/${run.id}`}
        picking={may ? { chosen, onChange: setChosen } : undefined}
        empty={<Nothing query={query} runs={runs} />}
      />
    </>
  );
}

type Followed = ReturnType<typeof useRuns>;

const FEW = 30;
const FURTHER = 10;

/** Where an index does not know the filter a page looks at so many runs and may find none: it looks on by itself. */
function useFurther(runs: Followed, query: RunQuery): void {
  const [looked, setLooked] = useState({ query, times: 0 });
  const { items, more } = runs;
  const times = looked.query === query ? looked.times : 0;
  const few = items !== undefined && items.length < FEW;
  useEffect(() => {
    if (!few || !more || times >= FURTHER) return;
    setLooked({ query, times: times + 1 });
    more();
  }, [few, more, times, query]);
}

function Nothing({ query, runs }: { query: RunQuery; runs: Followed }) {
  const [filters, set] = useFilters();
  if (Object.keys(query).length === 0) {
    return (
      <Empty title="Nothing has run yet">
        A run appears here as soon as an event starts a flow. Send one: POST /events, or start a flow by hand on its
        page.
      </Empty>
    );
  }
  if (runs.looking) return <Loading label="Looking further back" />;
  if (runs.more) {
    return (
      <Empty title="None so far" action={<Button onClick={runs.more}>Look further back</Button>}>
        The newest runs have been looked through; there are older ones.
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
