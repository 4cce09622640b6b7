/** A new flow: a small one that works, or one of some examples, and the text to change. */
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Save } from "lucide-react";
import { useState } from "react";
import { send } from "@/api/client";
import { address, Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Choice, Input } from "@/design/fields";
import { say } from "@/design/overlays";
import { Page } from "@/design/page";
import { Empty, Strip } from "@/design/states";
import { EXAMPLES } from "./examples";
import css from "./flow.module.css";
import type { FlowWhole } from "./types";
import { useChecked } from "./write/checked";
import { useDraft } from "./write/draft";
import { Workbench } from "./write/workbench";

const FIRST = EXAMPLES[0];

export default function NewFlowPage() {
  const may = useMay("editor");
  return (
    <Page title="New flow" says="Say when something happens, what is to be done then, and unless what.">
      {may ? (
        <Writing />
      ) : (
        <Empty title="You may not make flows" action={<Go to="/flows">All flows</Go>}>
          This needs the role editor.
        </Empty>
      )}
    </Page>
  );
}

function Writing() {
  const draft = useDraft("", { text: FIRST.text, etag: "" });
  const [example, setExample] = useState(FIRST.name);
  const [file, setFile] = useState("");
  const saving = useCreating(draft, file);
  const { checked } = useChecked(draft.text);
  const pick = (name: string) => {
    const picked = EXAMPLES.find((one) => one.name === name);
    if (!picked) return;
    setExample(name);
    draft.take({ text: picked.text, etag: "" });
  };
  return (
    <div className={css.main}>
      {draft.restored && draft.changed && (
        <Strip tone="busy">What you had written before and not saved is here again.</Strip>
      )}
      {saving.refused && <Strip tone="bad">{saving.refused}</Strip>}
      <Workbench
        label="YAML of the new flow"
        text={draft.text}
        onChange={draft.setText}
        onSave={() => void saving.create()}
        tools={
          <>
            <Choice
              label="Begin with"
              options={EXAMPLES.map((one) => [one.name, one.name] as const)}
              value={example}
              disabled={draft.changed}
              title={draft.changed ? "What you have written would be lost: undo it first (Ctrl+Z)" : undefined}
              onChange={(event) => pick(event.target.value)}
            />
            <div className={css.file}>
              <Input
                label="File"
                value={file}
                placeholder={`${checked?.name ?? "NAME"}.yaml`}
                onChange={(event) => setFile(event.target.value)}
              />
            </div>
            <Button look="main" disabled={saving.busy} onClick={() => void saving.create()}>
              <Save aria-hidden />
              Create flow
            </Button>
          </>
        }
      />
    </div>
  );
}

function useCreating(draft: ReturnType<typeof useDraft>, file: string) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState("");
  const create = async () => {
    setBusy(true);
    setRefused("");
    try {
      const headers = { "content-type": "application/yaml" };
      const answer = await send(address("/api/v1/flows", { file }), { method: "POST", body: draft.text, headers });
      const made = (await answer.json()) as FlowWhole;
      draft.take({ text: draft.text, etag: "" });
      say(`Flow ${made.name} is there, and listens.`);
      await client.invalidateQueries({ queryKey: ["flows"] });
      await navigate({ to: `/flows/${encodeURIComponent(made.name)}` } as never);
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return { busy, refused, create };
}
