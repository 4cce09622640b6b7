/** What can be done with an event: take it in again, or send one like it. */
import { useNavigate } from "@tanstack/react-router";
import { RotateCcw, Zap } from "lucide-react";
import { useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { place } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Confirm, say } from "@/design/overlays";
import { plural } from "@/format/text";
import { SendEvent } from "@/pages/events/send";
import type { Verdict } from "./words";

type Whole = Shapes["EventWhole"];

export function EventActions({ event, flows }: { event: Whole; flows: readonly Verdict[] | undefined }) {
  const [sending, setSending] = useState(false);
  const may = useMay("editor");
  if (!may) return null;
  const first = { type: event.type, data: JSON.stringify(event.data, null, 2), subject: event.subject ?? "" };
  return (
    <>
      <Button onClick={() => setSending(true)}>
        <Zap aria-hidden /> Send one like it
      </Button>
      <Replay event={event} flows={flows} />
      {sending && <SendEvent first={first} onClose={() => setSending(false)} />}
    </>
  );
}

/** Whether all conditions of a flow as it is now let this event pass; what flow control will say is not known. */
function fits(verdict: Verdict): boolean {
  if (verdict.verdicts.length === 0) return false;
  const asked = verdict.verdicts.filter((one) => CONDITIONS.has(one.rule));
  return asked.length > 0 && asked.every((one) => one.result === "passed");
}

const CONDITIONS = new Set(["type", "source", "address", "enabled", "trigger.if", "if", "unless"]);

function Replay({ event, flows }: { event: Whole; flows: readonly Verdict[] | undefined }) {
  const navigate = useNavigate();
  const replay = async () => {
    const path = { id: event.id };
    const receipt = await data(api.POST("/api/v1/events/{id}/replay", { params: { path } }));
    say(
      receipt.runs.length
        ? `Taken in again: ${plural(receipt.runs.length, "run")} started`
        : "Taken in again: it started nothing",
    );
    void navigate(place(`/events/${receipt.event_id}`) as never);
  };
  const would = flows?.filter(fits).map((one) => one.flow);
  return (
    <Confirm
      title="Take this event in again?"
      verb="Replay event"
      says={<WhatStarts would={would} />}
      trigger={
        <Button>
          <RotateCcw aria-hidden /> Replay
        </Button>
      }
      onConfirm={replay}
    />
  );
}

function WhatStarts({ would }: { would: readonly string[] | undefined }) {
  const again = "The same data comes in once more as a new event, caused by this one; what was done is done again. ";
  if (would === undefined) return <>{again}</>;
  if (would.length === 0) return <>{again}No flow as it is now fits it: it will start nothing.</>;
  const named = would.slice(0, 8).join(", ");
  const more = would.length > 8 ? ` and ${would.length - 8} more` : "";
  return (
    <>
      {again}
      {would.length === 1 ? "It fits the flow" : "It fits the flows"} {named}
      {more}, which will start unless flow control holds {would.length === 1 ? "it" : "them"} back.
    </>
  );
}
