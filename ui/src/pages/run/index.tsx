/** One run: how it stands and why, over time, on its flow, step by step, and what it has to do with others. */
import { useParams } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense } from "react";
import { useFilters } from "@/app/go";
import { Id } from "@/design/data";
import { Tabs } from "@/design/overlays";
import { Page } from "@/design/page";
import { Loading, Shown } from "@/design/states";
import { Status } from "@/design/status";
import { Actions } from "./actions";
import { Changed } from "./changed";
import { Data } from "./data";
import { Drawing } from "./drawing";
import { Head } from "./head";
import { History } from "./history";
import { Logs } from "./logs";
import { isOver, type RunWhole, useRun, useTimeline } from "./queries";
import css from "./run.module.css";
import { StepPanel } from "./step-panel";
import { Steps } from "./steps";
import { Timeline } from "./timeline";
import { Waiting } from "./waiting";

const Causes = lazy(() => import("./causes"));

export default function RunPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const run = useRun(id);
  const whole = run.data;
  return (
    <Page
      title={whole?.flow ?? "Run"}
      mark={whole && <Status value={whole.status} />}
      says={
        <Id id={id}>
          <span>{id}</span>
        </Id>
      }
      actions={whole && <Actions run={whole} />}
    >
      <Shown value={whole} error={run.error} again={() => void run.refetch()}>
        {(one) => <Parts key={one.id} run={one} />}
      </Shown>
    </Page>
  );
}

function Parts({ run }: { run: RunWhole }) {
  const [filters, set] = useFilters();
  const step = filters.step ?? null;
  const live = !isOver(run);
  const choose = (path: string | null) => set({ step: path ?? undefined });
  const show = (tab: string) => set({ tab: tab === "timeline" ? undefined : tab });
  const part = (content: ReactNode) => (
    <div className={css.parts} data-open={step !== null}>
      <div className={css.main}>{content}</div>
      {step !== null && <StepPanel run={run} path={step} onClose={() => choose(null)} onSelect={choose} />}
    </div>
  );
  const tabs = [
    { value: "timeline", label: "Timeline", content: part(<OverTime run={run} step={step} onSelect={choose} />) },
    { value: "diagram", label: "Diagram", content: part(<Drawing run={run} step={step} onSelect={choose} />) },
    { value: "steps", label: "Steps", content: part(<Steps run={run} step={step} onSelect={choose} />) },
    { value: "logs", label: "Logs", content: part(<Logs run={run} onSelect={choose} />) },
    {
      value: "causes",
      label: "Causes",
      content: (
        <Suspense fallback={<Loading />}>
          <Causes run={run} />
        </Suspense>
      ),
    },
    { value: "data", label: "Data", content: <Data run={run} /> },
    { value: "history", label: "History", content: <History run={run} /> },
  ];
  const value = tabs.some((tab) => tab.value === filters.tab) ? (filters.tab as string) : "timeline";
  return (
    <>
      <Head run={run} />
      <Changed run={run} />
      <Waiting run={run} live={live} onSelect={choose} />
      <Tabs label="Parts of the run" value={value} tabs={tabs} onChange={show} />
    </>
  );
}

function OverTime({ run, step, onSelect }: { run: RunWhole; step: string | null; onSelect: (path: string) => void }) {
  const line = useTimeline(run.id, !isOver(run));
  return (
    <section className={css.sheet} aria-label="Timeline">
      <Shown value={line.data} error={line.error} again={() => void line.refetch()}>
        {(found) => <Timeline data={found} selected={step} onSelect={onSelect} />}
      </Shown>
    </section>
  );
}
