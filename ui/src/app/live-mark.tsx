/** Whether what is shown follows the server; since when not; and how much happened meanwhile. */
import { useEffect, useState } from "react";
import { type Line, useLine } from "@/api/live";
import { useNow } from "@/design/time";
import { clock, plural, span } from "@/format/text";
import css from "./shell.module.css";

const TOLD = 10_000;

export function LiveMark() {
  const line = useLine();
  const back = useJustBack(line);
  return (
    <span className={css.live} data-state={line.liveness}>
      <i aria-hidden />
      <span role="status">{words(line)}</span>
      {line.since !== null && <Since at={line.since} />}
      {back && <span className={css.more}>{caughtUp(back)}</span>}
    </span>
  );
}

function words({ liveness }: Line): string {
  return { live: "Live", connecting: "Connecting", lost: "Reconnecting" }[liveness];
}

/** Beside the status, not in it: a screen reader need not hear every second. */
function Since({ at }: { at: number }) {
  const now = useNow();
  const full = `What is shown is as it was at ${clock(new Date(at).toISOString(), now)}`;
  return (
    <span className={`${css.more} number`} title={full}>
      for {span(Math.max(0, now - at))}
    </span>
  );
}

function useJustBack({ back }: Line): Line["back"] {
  const [shown, setShown] = useState<Line["back"]>(null);
  useEffect(() => {
    setShown(back);
    if (!back) return;
    const timer = setTimeout(() => setShown(null), Math.max(0, back.at + TOLD - Date.now()));
    return () => clearTimeout(timer);
  }, [back]);
  return shown;
}

function caughtUp({ missed }: NonNullable<Line["back"]>): string {
  if (missed === null) return "all read again";
  return missed === 0 ? "nothing missed" : `caught up on ${plural(missed, "change")}`;
}
