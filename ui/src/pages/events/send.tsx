/** Sending an event by hand: as any other that comes from outside; its receipt says what it has started. */
import { useState } from "react";
import { send } from "@/api/client";
import { Go } from "@/app/go";
import { Button } from "@/design/button";
import { Input, TextArea } from "@/design/fields";
import { Dialog } from "@/design/overlays";
import { Strip } from "@/design/states";
import { plural } from "@/format/text";
import css from "./events.module.css";

export interface Draft {
  type: string;
  data: string;
  subject: string;
}

interface Receipt {
  event_id: string;
  runs: { id: string; flow: string }[];
  duplicate: boolean;
}

const BLANK: Draft = { type: "", data: "{}", subject: "" };

/** Why a text is no JSON, in the words of the browser; null: it is, or there is none. */
export function jsonWrong(text: string): string | null {
  if (!text.trim()) return null;
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return `This is no JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function deliver(draft: Draft): Promise<Receipt> {
  const data = draft.data.trim() ? JSON.parse(draft.data) : null;
  const subject = draft.subject.trim();
  const answer = await send("/events", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type: draft.type.trim(), data, ...(subject ? { subject } : {}) }),
  });
  return answer.json();
}

export function SendEvent({ first, onClose }: { first?: Draft; onClose: () => void }) {
  const [draft, setDraft] = useState(first ?? BLANK);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState("");
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  const wrong = jsonWrong(draft.data);
  const set = (change: Partial<Draft>) => {
    setDraft({ ...draft, ...change });
    setRefused("");
  };
  const go = async () => {
    setBusy(true);
    setRefused("");
    try {
      setReceipt(await deliver(draft));
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      wide
      onOpen={(open) => !open && onClose()}
      title="Send an event"
      says="It is taken in like any other, and starts every flow that fits it."
      foot={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button look="main" disabled={busy || !draft.type.trim() || wrong !== null} onClick={go}>
            {receipt ? "Send again" : "Send event"}
          </Button>
        </>
      }
    >
      <Fields draft={draft} set={set} wrong={wrong} />
      {refused && (
        <div role="alert">
          <Strip tone="bad">{refused}</Strip>
        </div>
      )}
      {receipt && <Sent receipt={receipt} />}
    </Dialog>
  );
}

function Fields({ draft, set, wrong }: { draft: Draft; set: (change: Partial<Draft>) => void; wrong: string | null }) {
  return (
    <>
      <div className={css.pair}>
        <Input
          label="Type"
          placeholder="order.created"
          required
          value={draft.type}
          onChange={(event) => set({ type: event.target.value })}
        />
        <Input
          label="Subject (may be empty)"
          value={draft.subject}
          onChange={(event) => set({ subject: event.target.value })}
        />
      </div>
      <TextArea
        label="Data (JSON)"
        rows={10}
        value={draft.data}
        wrong={wrong}
        onChange={(event) => set({ data: event.target.value })}
      />
    </>
  );
}

function Sent({ receipt }: { receipt: Receipt }) {
  return (
    <div className={css.receipt} role="status">
      <Strip tone={receipt.runs.length ? "good" : "warn"}>
        {receipt.runs.length ? `It started ${plural(receipt.runs.length, "run")}.` : "It started nothing."}{" "}
        <Go to={`/events/${receipt.event_id}`} className="link">
          See why
        </Go>
      </Strip>
      <ul className={css.runs}>
        {receipt.runs.slice(0, 20).map((run) => (
          <li key={run.id}>
            <Go to={`/runs/${run.id}`} className="link">
              {run.flow}
            </Go>
          </li>
        ))}
      </ul>
    </div>
  );
}
