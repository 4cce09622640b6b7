/** What would be different, by meaning, and what that means for runs that are under way. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { address, Go } from "@/app/go";
import { Empty, Loading, Shown, Strip } from "@/design/states";
import { Badge, type Tone } from "@/design/status";
import { TextDiff } from "@/editor";
import { plural } from "@/format/text";
import type { FlowWhole } from "../types";
import { ask, usePaused } from "./checked";
import css from "./write.module.css";

type Change = Shapes["ChangeShape"];

const TONES: Record<string, Tone> = { added: "good", removed: "bad", moved: "busy", changed: "warn", renamed: "held" };
const ALIVE = "pending,running,waiting,paused";

function useChanges(flow: FlowWhole, text: string, ready: boolean) {
  const paused = usePaused(text, 400);
  return useQuery({
    queryKey: ["flows", "would-change", flow.name, flow.version, paused],
    queryFn: ({ signal }) =>
      ask<Shapes["TextDiff"]>(`/api/v1/flows/${encodeURIComponent(flow.name)}/diff`, paused, { signal }),
    enabled: ready && paused === text,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
  });
}

export function WouldChange({
  flow,
  text,
  before,
  ready,
  fresh,
}: {
  flow: FlowWhole;
  text: string;
  before: string;
  /** It has no errors, as far as is known. */
  ready: boolean;
  /** What is known is of this very text. */
  fresh: boolean;
}) {
  const query = useChanges(flow, text, ready && fresh);
  const shown = usePaused(text, 400);
  if (text === before) return <Empty title="Nothing is changed yet" />;
  return (
    <div className={css.meaning}>
      {ready ? (
        <Shown value={query.data?.changes} error={query.error} loading={<Loading lines={3} />}>
          {(changes) => (
            <>
              <Touched flow={flow} changes={changes} />
              <Changes changes={changes} />
            </>
          )}
        </Shown>
      ) : (
        <Strip tone="warn">What it means is told when the text has no errors.</Strip>
      )}
      <TextDiff before={before} after={shown} labels={["as it was read", "as it is written"]} />
    </div>
  );
}

/** Runs under way stay with the version that they began with; what would be other for them if they change over. */
function Touched({ flow, changes }: { flow: FlowWhole; changes: readonly Change[] }) {
  const query = useQuery({
    queryKey: ["runs", "count", flow.name, ALIVE],
    queryFn: () => data(api.GET("/api/v1/runs/count", { params: { query: { flow: flow.name, status: ALIVE } } })),
  });
  const alive = query.data?.count ?? 0;
  if (alive === 0) return null;
  const touching = changes.filter((change) => change.touches).length;
  return (
    <Strip tone={touching > 0 ? "warn" : "busy"}>
      <Go className="link" to={address("/runs", { flow: flow.name, status: ALIVE })}>
        {plural(alive, "run")}
      </Go>{" "}
      under way: {alive === 1 ? "it goes" : "they go"} on with the version that {alive === 1 ? "it" : "they"} began
      with. Whether {alive === 1 ? "it" : "they"} can change over, the versions show after saving
      {touching > 0 ? `; ${plural(touching, "change touches", "changes touch")} them.` : "."}
    </Strip>
  );
}

export function Changes({ changes }: { changes: readonly Change[] }) {
  if (changes.length === 0) {
    return <p className={css.none}>It means the same: only words, order of keys or comments are other.</p>;
  }
  return (
    <ul className={css.changes}>
      {changes.map((change, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two changes may look the same
        <li key={n}>
          <Badge tone={TONES[change.kind] ?? "idle"}>{change.kind}</Badge>
          <span className={css.what}>
            <span className="mono">{[change.path, change.what].filter(Boolean).join(" · ")}</span>
            <Values change={change} />
            {change.touches && <span className={css.touches}>{change.touches}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Values({ change }: { change: Change }) {
  const [before, after] = [shown(change.before), shown(change.after)];
  if (before === null && after === null) return null;
  return (
    <span className={css.values}>
      {before !== null && <del>{before}</del>}
      {after !== null && <ins>{after}</ins>}
    </span>
  );
}

function shown(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
