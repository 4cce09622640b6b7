/** Start a flow by hand: its inputs as a form made of their schema, and what the event says. */
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, data } from "@/api/client";
import { Button } from "@/design/button";
import { TextArea } from "@/design/fields";
import { Dialog, say } from "@/design/overlays";
import { type Draft, drafted, fieldsOf, type Schema, valuesOf, type Wrongs } from "@/design/schema";
import { SchemaForm } from "@/design/schema-form";
import { Strip } from "@/design/states";
import css from "./flow.module.css";
import type { FlowWhole } from "./types";

type Answer = { inputs?: Record<string, unknown>; data?: unknown };

export function RunNow({ flow, onClose }: { flow: FlowWhole; onClose: () => void }) {
  const schema = flow.inputs as Schema | null;
  const form = useRunForm(flow, schema);
  const navigate = useNavigate();
  const start = async (event: FormEvent) => {
    event.preventDefault();
    const run = await form.start();
    if (run === undefined) return;
    onClose();
    say(`Started by hand: ${run ?? "flow control holds it back"}.`);
    if (run) void navigate({ to: `/runs/${run}` } as never);
  };
  return (
    <Dialog
      open
      onOpen={(open) => !open && onClose()}
      title={`Run ${flow.name} now`}
      says="It starts whatever its conditions say. What it does is done in earnest."
    >
      <form className={css.form} onSubmit={start}>
        {schema && fieldsOf(schema).length > 0 && (
          <SchemaForm schema={schema} draft={form.draft} onChange={form.setDraft} wrongs={form.wrongs} />
        )}
        <TextArea
          label="Data of the event (JSON, may be empty)"
          value={form.text}
          rows={6}
          placeholder='{"id": 1}'
          wrong={form.wrongs["event data"]}
          onChange={(event) => form.setText(event.target.value)}
        />
        {form.refused && <Strip tone="bad">{form.refused}</Strip>}
        <div className={css.foot}>
          <Button onClick={onClose}>Close</Button>
          <Button look="main" type="submit" disabled={form.busy}>
            Run now
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function useRunForm(flow: FlowWhole, schema: Schema | null) {
  const [draft, setDraft] = useState<Draft>(() => (schema ? drafted(schema) : {}));
  const [text, setText] = useState("");
  const [wrongs, setWrongs] = useState<Wrongs>({});
  const [refused, setRefused] = useState("");
  const [busy, setBusy] = useState(false);
  const start = async (): Promise<string | null | undefined> => {
    const answer = read(schema, draft, text);
    setWrongs(answer.wrongs);
    setRefused("");
    if (Object.keys(answer.wrongs).length > 0) return undefined;
    setBusy(true);
    try {
      const path = { name: flow.name };
      const receipt = await data(
        api.POST("/api/v1/flows/{name}/run", { params: { path }, body: answer.body as never }),
      );
      return receipt.runs[0]?.id ?? null;
    } catch (error) {
      place(error instanceof Error ? error.message : String(error), schema, setWrongs, setRefused);
      return undefined;
    } finally {
      setBusy(false);
    }
  };
  return { draft, setDraft, text, setText, wrongs, refused, busy, start };
}

function read(schema: Schema | null, draft: Draft, text: string): { body: Answer; wrongs: Wrongs } {
  const wrongs: Record<string, string> = {};
  const body: Answer = {};
  if (schema) {
    const made = valuesOf(schema, draft);
    Object.assign(wrongs, made.wrongs);
    body.inputs = made.values;
  }
  if (text.trim()) {
    try {
      body.data = JSON.parse(text);
    } catch (error) {
      wrongs["event data"] = `This is no JSON: ${error instanceof Error ? error.message : error}`;
    }
  }
  return { body, wrongs };
}

/** What the server refuses stands at the field that it names, or below the form. */
function place(
  message: string,
  schema: Schema | null,
  setWrongs: (wrongs: Wrongs) => void,
  setRefused: (message: string) => void,
): void {
  const names = schema ? fieldsOf(schema).map(([name]) => name) : [];
  const named = names.find((name) => new RegExp(`inputs?[.:\\s]+['"]?${literal(name)}\\b`).test(message));
  if (named) setWrongs({ [named]: message });
  else setRefused(message);
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
