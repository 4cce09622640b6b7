/** One trigger: all that is known of it, what belongs to it, and its gap. */
import { CircleSlash, Hourglass, LoaderCircle, type LucideIcon, OctagonX, Radio } from "lucide-react";
import { useState } from "react";
import { address, Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Dialog } from "@/design/overlays";
import { Facts } from "@/design/page";
import { Strip } from "@/design/states";
import { toneOf } from "@/design/status";
import { Time } from "@/design/time";
import { count, span } from "@/format/text";
import { eventsOf, lettersOf } from "./columns";
import { ConfirmGap } from "./gap";
import type { Trigger } from "./triggers";
import css from "./triggers.module.css";

export function TriggerDetail({ row, onClose }: { row: Trigger; onClose: () => void }) {
  return (
    <Dialog
      wide
      open
      onOpen={(open) => !open && onClose()}
      title={`Trigger ${row.key}`}
      says={row.says ? `When ${row.says}.` : undefined}
      foot={<Button onClick={onClose}>Close</Button>}
    >
      <State row={row} />
      {row.gap && <Gap row={row} />}
      <Facts items={factsOf(row)} />
      {row.last_error && (
        <div>
          <h3>Last error</h3>
          <p className={`${css.long} quiet`}>{row.last_error}</p>
        </div>
      )}
    </Dialog>
  );
}

const SAYS: Record<string, readonly [string, LucideIcon]> = {
  failed: ["it does not listen", OctagonX],
  lagging: ["it listens, but not as it should", Hourglass],
  arming: ["it is about to listen", LoaderCircle],
  armed: ["it listens", Radio],
  disabled: ["it does not listen", CircleSlash],
};

function State({ row }: { row: Trigger }) {
  const [says, icon] = SAYS[row.state] ?? ["", CircleSlash];
  return (
    <Strip tone={toneOf(row.state)} icon={icon}>
      <b>{row.state}</b>: {says}
      {row.since && (
        <>
          {", since "}
          <Time at={row.since} exact />
        </>
      )}
      {row.reason ? `: ${row.reason}` : "."}
    </Strip>
  );
}

function factsOf(row: Trigger) {
  const counted = (to: string, n: number) =>
    n ? (
      <Go to={to} className="link">
        {count(n)}
      </Go>
    ) : (
      "0"
    );
  return [
    [
      "Flow",
      <Go key="flow" to={`/flows/${encodeURIComponent(row.flow)}`} className="link">
        {row.flow}
      </Go>,
    ],
    ["Kind", row.kind],
    ["Connection", <Connections key="connections" names={row.connections} />],
    ["Last event", <Time key="last" at={row.last_event_at} />],
    ["Events since the start", counted(eventsOf(row), row.events)],
    ["Errors since the start", count(row.errors)],
    ["Waiting at the source", row.lag === null ? "cannot be known" : count(row.lag)],
    ["Dead letters", counted(lettersOf(row), row.letters)],
    ["Next", <Time key="next" at={row.next_at} exact />],
    ["Expected", row.expects_within_ms ? `an event every ${span(row.expects_within_ms)}` : "nothing (no `expect`)"],
    [
      "Runs",
      <Go key="runs" to={address("/runs", { trigger: row.key })} className="link">
        those it has started
      </Go>,
    ],
  ] as const;
}

function Connections({ names }: { names: readonly string[] }) {
  if (names.length === 0) return <span className="quiet">none</span>;
  return (
    <span className={css.links}>
      {names.map((name) => (
        <Go key={name} to={address("/connections", { q: name })} className="link">
          {name}
        </Go>
      ))}
    </span>
  );
}

function Gap({ row }: { row: Trigger }) {
  const may = useMay("operator");
  const [asking, setAsking] = useState(false);
  if (!row.gap) return null;
  return (
    <>
      <Strip tone="bad">
        Messages may be missing, for ever: {row.gap.reason} (<Time at={row.gap.at} exact />)
        {may && (
          <Button onClick={() => setAsking(true)} look="plain">
            I have taken note …
          </Button>
        )}
      </Strip>
      {asking && <ConfirmGap row={row} onClose={() => setAsking(false)} />}
    </>
  );
}
