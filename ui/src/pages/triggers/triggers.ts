/** All triggers, kept true by the stream: a state that changes is here within the second, without a question. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { useLive } from "@/api/live";
import { useRefresh } from "@/api/refresh";

export type Trigger = Shapes["TriggerShape"];

const KEY = ["triggers"] as const;
const PAGES = 10;

/** Red first, then what is not as it should be, then the rest by name. */
const ORDER: Record<string, number> = { failed: 0, lagging: 1, arming: 2, armed: 3, disabled: 4 };

export const STATES = ["failed", "lagging", "arming", "armed", "disabled"] as const;

export function sorted(rows: readonly Trigger[]): Trigger[] {
  const rank = (row: Trigger) => (row.gap && row.state !== "failed" ? 0.5 : (ORDER[row.state] ?? 5));
  return [...rows].sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1));
}

/** Those that fit all of the filters in the address. */
export function fitting(rows: readonly Trigger[], filters: Readonly<Record<string, string>>): Trigger[] {
  const words = (filters.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    if (filters.state && row.state !== filters.state) return false;
    if (filters.flow && row.flow !== filters.flow) return false;
    if (filters.kind && row.kind !== filters.kind) return false;
    if (filters.connection && !row.connections.includes(filters.connection)) return false;
    const text = `${row.key} ${row.kind} ${row.says} ${row.reason} ${row.connections.join(" ")}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** What the stream says of one trigger, laid over what is known of it. */
export function patched(row: Trigger, said: Record<string, unknown>): Trigger {
  const state = String(said.state ?? row.state);
  const reason = String(said.reason ?? "");
  const same = state === row.state && reason === row.reason;
  return {
    ...row,
    state,
    reason,
    since: same ? row.since : String(said.at ?? row.since),
    events: Number(said.events ?? row.events),
    errors: Number(said.errors ?? row.errors),
    lag: typeof said.lag === "number" ? said.lag : null,
    letters: Number(said.letters ?? row.letters),
    last_event_at: typeof said.last_event_at === "string" ? said.last_event_at : row.last_event_at,
    gap: typeof said.gap === "string" ? (row.gap ?? { at: String(said.at), reason: said.gap }) : null,
  };
}

async function all(signal: AbortSignal): Promise<Trigger[]> {
  const rows: Trigger[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const query = { limit: 1_000, cursor };
    const found = await data(api.GET("/api/v1/triggers", { params: { query }, signal }));
    rows.push(...found.items);
    if (!found.next) break;
    cursor = found.next;
  }
  return rows;
}

export function useTriggers() {
  const client = useQueryClient();
  const query = useQuery({ queryKey: KEY, queryFn: ({ signal }) => all(signal) });
  useLive(["trigger"], ({ kind, data: said }) => {
    if (kind === "gap") return;
    client.setQueryData<Trigger[]>(KEY, (rows) =>
      rows?.map((row) => (row.key === said.key ? patched(row, said) : row)),
    );
  });
  // The last error and the next time are not in the stream; new flows bring new triggers.
  useRefresh(["trigger", "flow"], KEY, { every: 2_000 });
  return { rows: query.data, error: query.error, again: () => void query.refetch() };
}
