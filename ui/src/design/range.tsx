/** A span of time as a filter: since how long, or between two times. */
import { useState } from "react";
import { Button } from "./button";
import { Choice, Input } from "./fields";
import { Dialog } from "./overlays";

export const RANGES = [
  ["", "Any time"],
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
] as const;
const OWN = "own";

interface Range {
  since?: string;
  until?: string;
}

export function TimeRange({
  label,
  since,
  until,
  onChange,
}: Range & { label: string; onChange: (range: Range) => void }) {
  const [asking, setAsking] = useState(false);
  const own = Boolean(until) || Boolean(since && !RANGES.some(([value]) => value === since));
  const options = [...RANGES, [OWN, own ? "Between two times" : "Between two times …"] as const];
  const choose = (value: string) =>
    value === OWN ? setAsking(true) : onChange({ since: value || undefined, until: undefined });
  return (
    <>
      <Choice
        label={label}
        value={own ? OWN : (since ?? "")}
        options={options}
        onChange={(event) => choose(event.target.value)}
      />
      {own && <Button onClick={() => setAsking(true)}>Change times</Button>}
      {asking && <Between {...{ label, since, until, onChange }} onClose={() => setAsking(false)} />}
    </>
  );
}

/** What a field for dates and times shows, in the reader's own zone. */
function local(time: string | undefined): string {
  const at = time ? new Date(time) : null;
  if (!at || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Between({
  label,
  since,
  until,
  onChange,
  onClose,
}: Range & { label: string; onChange: (range: Range) => void; onClose: () => void }) {
  const [from, setFrom] = useState(local(since));
  const [to, setTo] = useState(local(until));
  const wrong = from && to && from >= to ? "This is not after the beginning." : null;
  const iso = (text: string) => (text ? new Date(text).toISOString() : undefined);
  const apply = () => {
    onChange({ since: iso(from), until: iso(to) });
    onClose();
  };
  return (
    <Dialog
      title={`${label}: between two times`}
      open
      onOpen={onClose}
      foot={
        <>
          <Button onClick={onClose}>Keep as it is</Button>
          <Button look="main" disabled={Boolean(wrong)} onClick={apply}>
            Show these
          </Button>
        </>
      }
    >
      <Input label="From" type="datetime-local" value={from} onChange={(event) => setFrom(event.target.value)} />
      <Input
        label="Until"
        type="datetime-local"
        value={to}
        wrong={wrong}
        onChange={(event) => setTo(event.target.value)}
      />
    </Dialog>
  );
}
