/** One dead letter: why it made no event, what it holds, and the decision. */
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { Go, place } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Id, Json } from "@/design/data";
import { TextArea } from "@/design/fields";
import { Confirm, Dialog, say } from "@/design/overlays";
import { Facts } from "@/design/page";
import { Failure, Loading, Strip } from "@/design/states";
import { Time } from "@/design/time";
import { bytes, plural } from "@/format/text";
import { jsonWrong } from "@/pages/events/send";
import { drop, retry } from "./letters";
import css from "./letters.module.css";
import { draftOf } from "./payload";
import { Viewer } from "./viewer";

type Letter = Shapes["LetterShape"];

export function LetterDialog({
  id,
  onClose,
  onDone,
}: {
  id: string;
  onClose: () => void;
  onDone: () => Promise<void>;
}) {
  const path = { id };
  const found = useQuery({
    queryKey: ["letter", id],
    queryFn: ({ signal }) => data(api.GET("/api/v1/dead-letters/{id}", { params: { path }, signal })),
  });
  const letter = found.data;
  return (
    <Dialog wide open onOpen={(open) => !open && onClose()} title="Dead letter">
      {!letter && (found.error ? <Failure error={found.error} /> : <Loading lines={5} />)}
      {letter && <Whole letter={letter} onClose={onClose} onDone={onDone} />}
    </Dialog>
  );
}

function Whole({ letter, onClose, onDone }: { letter: Letter; onClose: () => void; onDone: () => Promise<void> }) {
  const may = useMay("operator");
  const [mending, setMending] = useState(false);
  return (
    <>
      <Strip tone="bad">{letter.reason}</Strip>
      <Facts items={factsOf(letter)} />
      <Viewer letter={letter} />
      {Object.keys(letter.metadata).length > 0 && (
        <div>
          <h3>Metadata</h3>
          <Json value={letter.metadata} label="Metadata of the dead letter" />
        </div>
      )}
      {mending ? (
        <Mend letter={letter} onClose={onClose} onDone={onDone} onBack={() => setMending(false)} />
      ) : (
        <div className={css.foot}>
          <Button onClick={onClose}>Close</Button>
          {may && <Commands letter={letter} onMend={() => setMending(true)} onClose={onClose} onDone={onDone} />}
        </div>
      )}
    </>
  );
}

function factsOf(letter: Letter) {
  return [
    ["Id", <Id key="id" id={letter.id} />],
    ["Came", <Time key="at" at={letter.at} exact />],
    [
      "Trigger",
      <Go key="trigger" to={`/triggers?trigger=${encodeURIComponent(letter.trigger)}`} className="link">
        {letter.trigger}
      </Go>,
    ],
    ["Kind", letter.kind],
    ["Size", bytes(letter.size)],
  ] as const;
}

interface Deciding {
  letter: Letter;
  onClose: () => void;
  onDone: () => Promise<void>;
}

/** Takes it in, says what came of it, and leads to the event that it is now. */
function useTaking({ letter, onDone }: Deciding) {
  const navigate = useNavigate();
  return async (given?: { data: unknown }) => {
    const receipt = await retry(letter.id, given);
    say(
      receipt.runs.length
        ? `It is an event now, and started ${plural(receipt.runs.length, "run")}`
        : "It is an event now, and started nothing",
    );
    await onDone();
    void navigate(place(`/events/${receipt.event_id}`) as never);
  };
}

function Commands({ onMend, ...deciding }: Deciding & { onMend: () => void }) {
  const take = useTaking(deciding);
  const gone = async () => {
    await drop(deciding.letter.id);
    say("Dropped");
    deciding.onClose();
    await deciding.onDone();
  };
  return (
    <>
      <Confirm
        danger
        title="Drop this dead letter?"
        says="What it holds is lost for ever, and starts nothing."
        verb="Drop"
        trigger={<Button look="danger">Drop</Button>}
        onConfirm={gone}
      />
      <Button onClick={onMend}>Mend its data</Button>
      <Confirm
        title="Read it again?"
        says="It is read with its flow as it is now. When it can be read it is an event, and starts what fits it."
        verb="Read again"
        trigger={<Button look="main">Read again</Button>}
        onConfirm={() => take()}
      />
    </>
  );
}

function Mend({ onBack, ...deciding }: Deciding & { onBack: () => void }) {
  const take = useTaking(deciding);
  const [text, setText] = useState(() => draftOf(deciding.letter));
  const [refused, setRefused] = useState("");
  const [busy, setBusy] = useState(false);
  const wrong = text.trim() ? jsonWrong(text) : "There has to be some JSON; null is one.";
  const go = async () => {
    setBusy(true);
    setRefused("");
    try {
      await take({ data: JSON.parse(text) });
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <>
      <TextArea
        label="Data to take in its place (JSON)"
        hint="The event gets this as its data; its type, id and metadata stay what the message says."
        rows={10}
        value={text}
        wrong={wrong}
        onChange={(event) => setText(event.target.value)}
      />
      {refused && (
        <div role="alert">
          <Strip tone="bad">{refused}</Strip>
        </div>
      )}
      <div className={css.foot}>
        <Button onClick={onBack}>Back</Button>
        <Button look="main" disabled={busy || wrong !== null} onClick={go}>
          Take this in
        </Button>
      </div>
    </>
  );
}
