/**
 * What changes, as it changes: one EventSource for the whole browser.
 *
 * The tab that holds a lock listens; the others hear it through a BroadcastChannel. (Six streams over HTTP/1.1 would use
 * up all connections that a browser opens to one host.) The browser resumes by Last-Event-ID itself; a `gap`, or a
 * stream that begins anew, is told as `gap`, and then everything that is shown is asked for again.
 */
import { useEffect, useRef, useSyncExternalStore } from "react";

export interface Change {
  kind: string;
  id: string;
  data: Record<string, unknown>;
}

export type Liveness = "connecting" | "live" | "lost";

/** How the line is, and how it has been. */
export interface Line {
  liveness: Liveness;
  /** When it was lost, in milliseconds since 1970. */
  since: number | null;
  /** What happened while it was away: so many changes, or null: nobody knows, and all was asked for again. */
  back: { at: number; missed: number | null } | null;
}

type Listener = (change: Change) => void;

const KINDS = ["run", "step", "event", "flow", "trigger", "alert", "approval", "letter", "connection", "log", "gap"];
const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let line: Line = { liveness: "connecting", since: null, back: null };
let source: EventSource | null = null;
let last = "";
let channel: BroadcastChannel | null = null;

function tell(change: Change): void {
  for (const listener of [...listeners]) listener(change);
}

function become(now: Liveness, missed: number | null = null): void {
  if (now === line.liveness) return;
  const before = line;
  const lost = now === "lost" || (now === "connecting" && before.liveness === "lost");
  const wasAway = now === "live" && before.since !== null;
  line = {
    liveness: now,
    since: lost ? (before.since ?? Date.now()) : null,
    back: wasAway ? { at: Date.now(), missed } : null,
  };
  for (const watcher of watchers) watcher();
  // What happened while the line was dead may be past the stream's memory: `hello` comes before what is resumed. And
  // what the page asked for while the line was not yet there may have changed before it was.
  if (now === "live") tell({ kind: "gap", id: last, data: {} });
}

type Told = { liveness: Liveness; missed?: number | null; id?: string } | { change: Change };

function publish(message: Told): void {
  channel?.postMessage(message);
  hear(message);
}

function hear(message: Told): void {
  if ("liveness" in message) {
    if (message.id) last = message.id;
    become(message.liveness, message.missed);
  } else {
    last = message.change.id;
    tell(message.change);
  }
}

function connect(): void {
  source?.close();
  source = new EventSource(last ? `/api/v1/stream?after=${last}` : "/api/v1/stream");
  source.addEventListener("hello", (event) => {
    const { data, lastEventId: id } = event as MessageEvent<string>;
    const { missed } = JSON.parse(data) as { missed: number | null };
    publish({ liveness: "live", missed, id });
  });
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      const message = event as MessageEvent<string>;
      publish({ change: { kind, id: message.lastEventId, data: JSON.parse(message.data) } });
    });
  }
  source.onerror = () => {
    publish({ liveness: "lost" });
    // A refusal (503 while starting, 401) ends an EventSource for good; a cut line is taken up by the browser.
    if (source?.readyState === EventSource.CLOSED) setTimeout(connect, 2_000);
  };
}

/** A line that is cut without a word (a laptop that sleeps, a cable) is noticed by the browser before the socket does. */
function watchTheNetwork(): void {
  window.addEventListener("offline", () => {
    source?.close();
    publish({ liveness: "lost" });
  });
  window.addEventListener("online", connect);
}

let begun = false;

/** Begin to listen; once, after the sign-in. */
export function begin(): void {
  if (begun) return;
  begun = true;
  if (!("locks" in navigator) || !("BroadcastChannel" in window)) {
    connect();
    watchTheNetwork();
    return;
  }
  channel = new BroadcastChannel("reactor-live");
  channel.onmessage = (event: MessageEvent<Told | { ask: true }>) => {
    if ("ask" in event.data) {
      if (source) channel?.postMessage({ liveness: line.liveness });
    } else hear(event.data);
  };
  channel.postMessage({ ask: true });
  // Held until this tab goes; the next one in the queue then goes on after the last change that it has heard.
  void navigator.locks.request("reactor-live", () => {
    connect();
    watchTheNetwork();
    return new Promise<never>(() => {});
  });
}

/** Hear of changes of these kinds while a component is shown. */
export function useLive(kinds: readonly string[], listener: Listener): void {
  const current = useRef(listener);
  current.current = listener;
  const wanted = kinds.join(",");
  useEffect(() => {
    const set = new Set([...wanted.split(","), "gap"]);
    const each = (change: Change) => {
      if (set.has(change.kind)) current.current(change);
    };
    listeners.add(each);
    return () => {
      listeners.delete(each);
    };
  }, [wanted]);
}

/** Whether what is shown follows the server. */
export function useLine(): Line {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => {
        watchers.delete(watcher);
      };
    },
    () => line,
  );
}
