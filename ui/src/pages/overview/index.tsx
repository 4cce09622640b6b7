/** Is it working, and if not, why not: what needs a person first, then figures of a window of time, then what runs. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { Button } from "@/design/button";
import { Page } from "@/design/page";
import { Shown } from "@/design/states";
import { clock, percent, plural } from "@/format/text";
import { Charts } from "./charts";
import { Figures, FiguresLoading } from "./figures";
import { FirstFlow } from "./first-flow";
import { FlowsOf } from "./flows-of";
import { Latest } from "./latest";
import { Needs } from "./needs";
import css from "./overview.module.css";
import { RANGES, useWindow, type Window } from "./window";

type Series = Shapes["Series"];

export default function OverviewPage() {
  const isNew = useIsNew();
  if (isNew) return <FirstFlow />;
  return <Overview />;
}

function Overview() {
  const { window, setRange, zoom, back } = useWindow();
  const series = useSeries(window);
  return (
    <Page
      title="Overview"
      says={series.data ? <Sentence series={series.data} window={window} /> : "\u00a0"}
      actions={<Ranges window={window} setRange={setRange} back={back} />}
    >
      <Needs window={window} />
      <Shown value={series.data} error={series.error} again={() => void series.refetch()} loading={<FiguresLoading />}>
        {(value) => (
          <div className={css.stack} data-stale={series.isPlaceholderData || undefined}>
            <Figures series={value} />
            <Charts series={value} zoom={zoom} back={back} />
          </div>
        )}
      </Shown>
      <div className={css.halves}>
        <FlowsOf window={window} />
        <Latest />
      </div>
    </Page>
  );
}

function useSeries(window: Window) {
  const key = ["series", window.query];
  useRefresh(["run"], ["series"], { every: 5_000 });
  return useQuery({
    queryKey: key,
    queryFn: () => data(api.GET("/api/v1/metrics/series", { params: { query: { ...window.query, samples: true } } })),
    // Time goes on, though nothing happens; a stretch of the past stays what it was.
    refetchInterval: window.zoomed ? false : 15_000,
    placeholderData: (before: Series | undefined) => before,
  });
}

/** A store without a flow and without a run: somebody has just begun. Only looked at once; a page does not turn back. */
function useIsNew(): boolean {
  const flows = useQuery({
    queryKey: ["flows", "any"],
    queryFn: () => data(api.GET("/api/v1/flows", { params: { query: { limit: 1 } } })),
    refetchInterval: ({ state }) => (state.data?.items.length === 0 ? 3_000 : false),
  });
  const runs = useQuery({
    queryKey: ["runs", "any"],
    queryFn: () => data(api.GET("/api/v1/runs", { params: { query: { limit: 1 } } })),
  });
  useRefresh(["flow"], ["flows", "any"]);
  useRefresh(["run"], ["runs", "any"], { every: 60_000 });
  const [started, setStarted] = useState(false);
  const isEmpty = flows.data?.items.length === 0 && runs.data?.items.length === 0;
  useEffect(() => {
    if (flows.data && runs.data && !isEmpty) setStarted(true);
  }, [flows.data, runs.data, isEmpty]);
  return isEmpty && !started;
}

function Sentence({ series, window }: { series: Series; window: Window }) {
  const { totals } = series;
  const when = window.zoomed ? stretch(series) : `in ${window.words}`;
  if (totals.runs === 0) return <>No run has ended {when}.</>;
  const rate = totals.success_rate === null ? "" : ` ${percent(totals.success_rate)} of them well`;
  return (
    <>
      {plural(totals.runs, "run")} ended {when}
      {rate && `,${rate}`}.
    </>
  );
}

function stretch({ since, until }: Series): string {
  const now = Date.now();
  const short = (at: string) => clock(at, now).replace(/:\d\d$/, "");
  return `between ${short(since)} and ${short(until)}`;
}

function Ranges({ window, setRange, back }: { window: Window; setRange: (range: string) => void; back: () => void }) {
  return (
    <>
      {window.zoomed && <Button onClick={back}>Zoom out</Button>}
      <fieldset className={css.ranges} aria-label="Window of time">
        {RANGES.map((range) => (
          <button
            key={range}
            type="button"
            aria-pressed={!window.zoomed && window.range === range}
            onClick={() => setRange(range)}
          >
            {range}
          </button>
        ))}
      </fieldset>
    </>
  );
}
