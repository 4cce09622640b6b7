/** Tells a run that waits for an event the event that it waits for. */
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { api } from "@/api/client";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Input } from "@/design/fields";
import { Dialog, say } from "@/design/overlays";
import { Loading } from "@/design/states";
import { runKey } from "./queries";
import css from "./run.module.css";

const JsonEditor = lazy(() => import("@/design/json-editor"));

export function Signal({ run, type }: { run: string; type: string }) {
  const [open, setOpen] = useState(false);
  if (!useMay("editor")) return null;
  return (
    <>
      <button type="button" className="link" onClick={() => setOpen(true)}>
        Send it …
      </button>
      {open && <Sending run={run} type={type} onClose={() => setOpen(false)} />}
    </>
  );
}

function Sending({ run, type, onClose }: { run: string; type: string; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(type.includes("*") ? "" : type);
  const [text, setText] = useState("{}");
  const [wrong, setWrong] = useState("");
  const send = async () => {
    try {
      const body = { type: name, data: JSON.parse(text), id: null };
      await api.POST("/api/v1/runs/{id}/signal", { params: { path: { id: run } }, body });
      say("It was told.");
      onClose();
      await client.invalidateQueries({ queryKey: runKey(run) });
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Dialog
      title="Send the event that it waits for"
      says="Only this run hears it. Its subject is the run's id."
      open
      onOpen={onClose}
      foot={
        <>
          <Button onClick={onClose}>Not now</Button>
          <Button look="main" disabled={!name} onClick={send}>
            Send
          </Button>
        </>
      }
    >
      <Input label={`Type (it waits for ${type})`} value={name} onChange={(event) => setName(event.target.value)} />
      <div className={css.editing}>
        <p className="quiet">Data</p>
        <Suspense fallback={<Loading lines={3} />}>
          <JsonEditor label="Data of the event" text={text} onChange={setText} />
        </Suspense>
      </div>
      {wrong && (
        <p role="alert" className={css.wrong}>
          {wrong}
        </p>
      )}
    </Dialog>
  );
}
