/** The YAML of a flow: written, checked, saved; never over what somebody else has saved. */
import { useQueryClient } from "@tanstack/react-query";
import { Save, Undo2 } from "lucide-react";
import { useState } from "react";
import { Refusal, send } from "@/api/client";
import { address } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Confirm, say } from "@/design/overlays";
import { Strip } from "@/design/states";
import { Badge } from "@/design/status";
import type { FlowWhole } from "../types";
import { WouldChange } from "./changes";
import { useChecked } from "./checked";
import { type Base, useDraft } from "./draft";
import { Merge } from "./merge";
import { Workbench } from "./workbench";
import css from "./write.module.css";

export default function Writing({ flow }: { flow: FlowWhole }) {
  const there: Base = { text: flow.draft ?? flow.yaml, etag: flow.etag };
  const may = useMay("editor");
  const readOnly = !flow.writable || !may;
  const draft = useDraft(flow.name, there);
  const saving = useSaving(flow, draft);
  const { checked, fresh } = useChecked(draft.text);
  const changes = {
    value: "changes",
    label: <>Changes {draft.changed && <Badge tone="warn">not saved</Badge>}</>,
    content: (
      <WouldChange
        flow={flow}
        text={draft.text}
        before={draft.base.text}
        ready={checked?.valid ?? false}
        fresh={fresh}
      />
    ),
  };
  return (
    <div className={css.writing}>
      <Notes flow={flow} readOnly={readOnly} may={may} draft={draft} onCompare={() => saving.compare(there)} />
      {saving.refused && <Strip tone="bad">{saving.refused}</Strip>}
      <Workbench
        label={`YAML of ${flow.name}`}
        text={draft.text}
        onChange={draft.setText}
        onSave={readOnly ? undefined : () => void saving.save()}
        readOnly={readOnly}
        beside={readOnly ? [] : [changes]}
        tools={!readOnly && <Tools {...{ flow, draft, saving }} />}
      />
      {saving.clash && (
        <Merge
          name={flow.name}
          mine={draft.text}
          theirs={saving.clash}
          onClose={() => saving.compare(null)}
          onMine={(text) => void saving.over(text)}
          onTheirs={(base) => {
            draft.take(base);
            saving.compare(null);
          }}
        />
      )}
    </div>
  );
}

type Draft = ReturnType<typeof useDraft>;
type Saving = ReturnType<typeof useSaving>;

function useSaving(flow: FlowWhole, draft: Draft) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState("");
  const [clash, setClash] = useState<Base | null>(null);
  const put = async (text: string, etag: string) => {
    setBusy(true);
    setRefused("");
    try {
      const path = address(`/api/v1/flows/${encodeURIComponent(flow.name)}`, { etag });
      const headers = { "content-type": "application/yaml" };
      const answer = await send(path, { method: "PUT", body: text, headers });
      const saved = (await answer.json()) as FlowWhole;
      draft.take({ text: saved.draft ?? saved.yaml, etag: saved.etag });
      setClash(null);
      client.setQueryData(["flows", "one", flow.name], saved);
      void client.invalidateQueries({ queryKey: ["flows"] });
      say(
        saved.version === flow.version
          ? "Saved; it means the same, so it is no new version."
          : `Saved as version ${saved.version}.`,
      );
    } catch (error) {
      const problem = error instanceof Refusal && error.status === 409 ? error.problem : {};
      if (typeof problem.etag === "string" && typeof problem.yaml === "string") {
        setClash({ text: problem.yaml, etag: problem.etag });
      } else setRefused(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return {
    busy,
    refused,
    clash,
    compare: setClash,
    save: () => (draft.changed && !busy ? put(draft.text, draft.base.etag) : Promise.resolve()),
    over: (text: string) => (clash ? put(text, clash.etag) : Promise.resolve()),
  };
}

function Tools({ flow, draft, saving }: { flow: FlowWhole; draft: Draft; saving: Saving }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <span className={css.state}>
        {draft.changed ? "Changed, not saved." : "As it is kept."}{" "}
        <span className="quiet">Ctrl+S saves; Esc, then Tab leaves the text.</span>
      </span>
      <Button disabled={!draft.changed} onClick={() => setAsking(true)}>
        <Undo2 aria-hidden />
        Discard …
      </Button>
      <Button look="main" disabled={!draft.changed || saving.busy} onClick={() => void saving.save()}>
        <Save aria-hidden />
        Save
      </Button>
      <Confirm
        open={asking}
        onOpen={setAsking}
        danger
        title="Discard what you have written?"
        says={`The text of ${flow.name} is again as it is kept. What you have changed since is lost.`}
        verb="Discard changes"
        onConfirm={() => draft.take({ text: flow.draft ?? flow.yaml, etag: flow.etag })}
      />
    </>
  );
}

function Notes({
  flow,
  readOnly,
  may,
  draft,
  onCompare,
}: {
  flow: FlowWhole;
  readOnly: boolean;
  may: boolean;
  draft: Draft;
  onCompare: () => void;
}) {
  const broken = flow.draft !== null && flow.problems.some((problem) => problem.severity === "error");
  return (
    <>
      {readOnly && (
        <Strip tone="idle">
          {flow.reason || (may ? "It cannot be changed here." : "You may read it, not change it.")}
        </Strip>
      )}
      {broken && (
        <Strip tone="bad">Its file has errors, so version {flow.version} goes on. This is the text of the file.</Strip>
      )}
      {draft.restored && draft.changed && (
        <Strip tone="busy">What you had written before and not saved is here again.</Strip>
      )}
      {draft.elsewhere && (
        <Strip tone="warn">
          Somebody else has changed the flow since you began.{" "}
          <button type="button" className="link" onClick={onCompare}>
            Compare and merge
          </button>
        </Strip>
      )}
    </>
  );
}
