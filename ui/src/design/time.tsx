/** Times that go on by themselves: one clock for the whole page, one tick a second. */
import { useSyncExternalStore } from "react";
import { ago, clock, fullTime, span } from "@/format/text";

let now = Date.now();
let timer: ReturnType<typeof setInterval> | null = null;
const watchers = new Set<() => void>();

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  if (timer === null) {
    // Nobody has watched for a while: what was now then is long ago.
    now = Date.now();
    timer = setInterval(() => {
      now = Date.now();
      for (const each of watchers) each();
    }, 1_000);
  }
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

/** The time now, again each second. */
export function useNow(): number {
  return useSyncExternalStore(watch, () => now);
}

/** When something was: how long ago, the full time as a hint. `exact`: the time of day instead. */
export function Time({ at, exact }: { at: string | null | undefined; exact?: boolean }) {
  const time = useNow();
  if (!at) return <span className="quiet">–</span>;
  return (
    <time dateTime={at} title={fullTime(at)} className="number">
      {exact ? clock(at, time) : ago(at, time)}
    </time>
  );
}

/** How long something took, or has been taking until now. */
export function Span({ from, to }: { from: string | null | undefined; to?: string | null }) {
  const time = useNow();
  if (!from) return <span className="quiet">–</span>;
  return <span className="number">{span((to ? Date.parse(to) : time) - Date.parse(from))}</span>;
}
