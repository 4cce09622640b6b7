/** A new run like this one: from a step on or from the beginning, with other data, after a look at what it would do. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { Button } from "@/design/button";
import { Select } from "@/design/fields";
import { Dialog, say } from "@/design/overlays";
import { Loading, Strip } from "@/design/states";
import { type RunWhole, useEvent, useFlow, useTimeline } from "./queries";
import css from "./run.module.css";
import { isCut } from "./value";

const JsonEditor = lazy(() => import("@/design/json-editor"));

const BEGINNING = "start";

interface ForkProps {
  run: RunWhole;
  /** Path of a step, or `start`. */
  from: string;
  onClose: () => void;
}

export function Fork({ run, from, onClose }: ForkProps) {
  const navigate = useNavigate();
  const [step, setStep] = useState(from);
  const [version, setVersion] = useState("now");
  const event = useEvent(run.event_id);
  const flow = useFlow(run.flow);
  const begun = step === BEGINNING;
  const given = useEdited(begun && event.data ? event.data.data : undefined);
  const inputs = useEdited(begun && run.inputs !== null && !isCut(run.inputs) ? run.inputs : undefined);
  const wish = { step: begun ? null : step, latest: version === "now" };
  const make = useMutation({
    mutationFn: () =>
      data(
        api.POST("/api/v1/runs/{id}/fork", {
          params: { path: { id: run.id } },
          body: {
            ...wish,
            version: null,
            preview: false,
            ...(given.edited ? { data: given.value } : {}),
            ...(inputs.edited ? { inputs: inputs.value } : {}),
          },
        }),
      ),
    onSuccess: (made) => {
      say("The new run has begun.");
      void navigate({ to: `/runs/${made.id}` } as never);
    },
  });
  return (
    <Dialog
      title="Fork this run"
      says="A new run like this one. This one stays as it is."
      open
      onOpen={onClose}
      wide
      foot={
        <>
          <Button onClick={onClose}>Not now</Button>
          <Button
            look="main"
            disabled={make.isPending || given.wrong !== null || inputs.wrong !== null}
            onClick={() => make.mutate()}
          >
            Fork
          </Button>
        </>
      }
    >
      <div className={css.wish}>
        <StepChoice run={run} value={step} onChange={setStep} />
        <Select
          label="With which version of the flow"
          value={version}
          options={[
            ["now", `the current one${flow.data ? ` (${flow.data.version})` : ""}`],
            ["own", `the one that this run has (${run.version})`],
          ]}
          onChange={(change) => setVersion(change.target.value)}
        />
      </div>
      <Editing label="Data of the event" edit={given} />
      <Editing label="Inputs" edit={inputs} />
      {make.error && <Strip tone="bad">{make.error.message}</Strip>}
      <Preview run={run} wish={wish} />
    </Dialog>
  );
}

type Edit = ReturnType<typeof useEdited>;

/** A value that may be edited as text; undefined: there is none. */
function useEdited(value: unknown) {
  const first = useMemo(() => (value === undefined ? null : JSON.stringify(value, null, 2)), [value]);
  const [text, setText] = useState<string | null>(null);
  const edited = first !== null && text !== null && text !== first;
  const parsed = useMemo(() => parse(edited ? text : null), [edited, text]);
  return { first, edited, setText, ...parsed };
}

function Editing({ label, edit }: { label: string; edit: Edit }) {
  if (edit.first === null) return null;
  return (
    <div className={css.editing}>
      <p className="quiet">{label}</p>
      <Suspense fallback={<Loading lines={4} />}>
        <JsonEditor label={label} text={edit.first} onChange={edit.setText} />
      </Suspense>
      {edit.wrong && (
        <p role="alert" className={css.wrong}>
          {edit.wrong}
        </p>
      )}
    </div>
  );
}

function parse(text: string | null): { value?: unknown; wrong: string | null } {
  if (text === null) return { wrong: null };
  try {
    return { value: JSON.parse(text), wrong: null };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

function StepChoice({ run, value, onChange }: { run: RunWhole; value: string; onChange: (step: string) => void }) {
  const line = useTimeline(run.id, false);
  const steps = [...(line.data?.lanes.keys() ?? [])].filter((path) => /^[^.[]+$/.test(path));
  const known = value === BEGINNING || steps.includes(value) ? steps : [value, ...steps];
  return (
    <Select
      label="From where"
      value={value}
      options={[[BEGINNING, "from the beginning"], ...known.map((path) => [path, `from the step ${path}`] as const)]}
      onChange={(change) => onChange(change.target.value)}
    />
  );
}

type Wish = { step: string | null; latest: boolean };
type Plan = Shapes["ForkPlanShape"];

/** What it would do, asked anew for each choice. */
function Preview({ run, wish }: { run: RunWhole; wish: Wish }) {
  const plan = useQuery({
    queryKey: ["run", run.id, "fork", wish],
    queryFn: ({ signal }) =>
      data(
        api.POST("/api/v1/runs/{id}/fork", {
          params: { path: { id: run.id } },
          body: { ...wish, version: null, preview: true },
          signal,
        }),
      ),
    retry: false,
  });
  const [shown, setShown] = useState<Plan | null>(null);
  useEffect(() => {
    if (plan.data?.plan) setShown(plan.data.plan);
  }, [plan.data]);
  if (plan.error) return <Strip tone="warn">{plan.error.message}</Strip>;
  if (!shown) return <Loading lines={3} label="Looking what it would do" />;
  return (
    <dl className={css.plan} data-stale={plan.isFetching}>
      <Part name="Taken over" paths={shown.taken_over} none="nothing: it does everything itself" />
      <Part name="Done again" paths={shown.again} />
      <Part name="New" paths={shown.new} />
      <Part name="Not there any more" paths={shown.gone} />
      <Part name="Goes another way at" paths={shown.other.map((one) => `${one.path} (${one.kind})`)} />
      <Part name="Does not fit" paths={shown.unfit.map((one) => `${one.path} (${one.kind})`)} />
    </dl>
  );
}

const MOST = 30;

function Part({ name, paths, none }: { name: string; paths: readonly string[]; none?: string }) {
  if (paths.length === 0 && !none) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd className={paths.length > 0 ? "mono" : "quiet"}>
        {paths.length > 0 ? paths.slice(0, MOST).join(", ") : none}
        {paths.length > MOST && ` and ${paths.length - MOST} more`}
      </dd>
    </div>
  );
}
