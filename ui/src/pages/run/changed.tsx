/** Says when the flow is not any more what this run was begun with, and lets it change over. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, Refusal, type Shapes } from "@/api/client";
import { address, Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Dialog, doing, say } from "@/design/overlays";
import { Strip } from "@/design/states";
import { isOver, type RunWhole, runKey, useFlow } from "./queries";
import css from "./run.module.css";

type Plan = Shapes["Migrated"];

export function Changed({ run }: { run: RunWhole }) {
  const flow = useFlow(run.flow);
  const may = useMay("editor");
  const [plan, setPlan] = useState<Plan | null>(null);
  if (flow.error instanceof Refusal && flow.error.status === 404) {
    return (
      <Strip tone="warn">
        The flow {run.flow} is not there any more; this run keeps the version that it began with.
      </Strip>
    );
  }
  const now = flow.data?.version;
  if (now === undefined || now === run.version) return null;
  const preview = async () => {
    const body = { to: now, preview: true, map: {}, force: [] };
    try {
      setPlan(await data(api.POST("/api/v1/runs/{id}/migrate", { params: { path: { id: run.id } }, body })));
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), "bad");
    }
  };
  const diff = address(`/flows/${encodeURIComponent(run.flow)}`, { tab: "versions", from: run.version, to: now });
  return (
    <Strip tone="warn">
      The flow has changed since: this run has version {run.version}, now there is version {now}.{" "}
      <Go to={diff} className="link">
        What is different
      </Go>
      {may && !isOver(run) && (
        <>
          {" · "}
          <button type="button" className="link" onClick={preview}>
            Change this run over …
          </button>
        </>
      )}
      {plan && <Migration plan={plan} onClose={() => setPlan(null)} />}
    </Strip>
  );
}

function Migration({ plan, onClose }: { plan: Plan; onClose: () => void }) {
  const client = useQueryClient();
  const migrate = async () => {
    const work = api.POST("/api/v1/runs/{id}/migrate", {
      params: { path: { id: plan.run } },
      body: { to: plan.to, preview: false, map: {}, force: [] },
    });
    if (await doing(work, `It has version ${plan.to} now.`)) onClose();
    await client.invalidateQueries({ queryKey: runKey(plan.run) });
  };
  return (
    <Dialog
      title={`Change over from version ${plan.from} to ${plan.to}`}
      says={plan.refused ?? "Its past fits the new version: what is done stays done."}
      open
      onOpen={onClose}
      foot={
        <>
          <Button onClick={onClose}>Keep version {plan.from}</Button>
          <Button look="main" disabled={plan.refused !== null} onClick={migrate}>
            Change over
          </Button>
        </>
      }
    >
      {plan.next.length > 0 && (
        <p>
          It goes on at <span className="mono">{plan.next.join(", ")}</span>.
        </p>
      )}
      {plan.diverges.length > 0 && (
        <ul className={css.plan}>
          {plan.diverges.map((one) => (
            <li key={`${one.kind} ${one.path}`}>
              <span className="mono">{one.path}</span> <span className="quiet">{one.kind}</span>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}
