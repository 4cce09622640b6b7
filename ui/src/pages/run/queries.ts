/** What the page of a run asks for, and how it stays true while the run goes on. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import type { Lane } from "./timeline/tree";

export type RunWhole = Shapes["RunWhole"];
export type Explained = Shapes["RunExplained"];

const OVER = new Set(["completed", "failed", "cancelled"]);

export function isOver(run: { status: string }): boolean {
  return OVER.has(run.status);
}

export const runKey = (id: string) => ["run", id] as const;

/** While a run is under way, what the stream does not tell (a step that began, an attempt that failed) is asked for. */
const LOOK = 2_000;

/** A long run is a long journal to read for the server: it is followed less often. */
function pause(lanes: number): number {
  return Math.min(10_000, Math.max(500, lanes / 2));
}

export function useRun(id: string) {
  const client = useQueryClient();
  const line = client.getQueryData<TimelineData>([...runKey(id), "timeline"]);
  useRefresh(["run", "step", "approval"], runKey(id), {
    every: pause(line?.lanes.size ?? 0),
    only: (change) => change.id === id || change.run === id || change.run_id === id,
  });
  return useQuery({
    queryKey: [...runKey(id), "whole"],
    queryFn: ({ signal }) =>
      data(api.GET("/api/v1/runs/{id}", { params: { path: { id }, query: { steps: false } }, signal })),
  });
}

export function useExplained(id: string, live: boolean) {
  return useQuery({
    queryKey: [...runKey(id), "explained"],
    queryFn: ({ signal }) => data(api.GET("/api/v1/explain/run/{id}", { params: { path: { id } }, signal })),
    enabled: live,
    refetchInterval: live ? 5_000 : false,
  });
}

export interface TimelineData {
  status: string;
  /** When the run began, when it was over, and the server's time: milliseconds since 1970. */
  began: number;
  over: number | null;
  now: number;
  /** How much the server's clock is before ours. */
  ahead: number;
  seen: number;
  lanes: ReadonlyMap<string, Lane>;
  marks: readonly Shapes["Mark"][];
}

/** Lanes as they come: only those that have changed, after the first time. */
export function useTimeline(id: string, live: boolean) {
  const client = useQueryClient();
  const key = [...runKey(id), "timeline"];
  return useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      const before = client.getQueryData<TimelineData>(key);
      const query = before ? { after: before.seen } : {};
      const found = await data(api.GET("/api/v1/runs/{id}/timeline", { params: { path: { id }, query }, signal }));
      return joined(before, found);
    },
    structuralSharing: false,
    refetchInterval: ({ state }) => live && Math.max(LOOK, pause(state.data?.lanes.size ?? 0)),
  });
}

export function joined(before: TimelineData | undefined, found: Shapes["TimelineShape"]): TimelineData {
  const lanes = new Map(found.whole ? [] : before?.lanes);
  for (const lane of found.lanes) lanes.set(lane.path, lane);
  return {
    status: found.status,
    began: found.started_at ?? found.created_at,
    over: found.finished_at,
    now: found.now,
    ahead: found.now - Date.now(),
    seen: found.seen,
    lanes: found.lanes.length === 0 && before && !found.whole ? before.lanes : lanes,
    marks: found.marks,
  };
}

export function useStep(id: string, path: string | null, live: boolean) {
  return useQuery({
    queryKey: [...runKey(id), "step", path],
    queryFn: ({ signal }) =>
      data(api.GET("/api/v1/runs/{id}/step", { params: { path: { id }, query: { path: path ?? "" } }, signal })),
    enabled: path !== null,
    refetchInterval: live ? LOOK * 2 : false,
    placeholderData: (before) => (before?.path === path ? before : undefined),
  });
}

export interface LogData {
  items: readonly Shapes["LogLine"][];
  /** Lines of pages that are full, and where the page begins that may still grow. */
  done: number;
  from: string | undefined;
  /** There are more than have been asked for. */
  more: boolean;
}

const PAGES = 20;

/** The lines come by pages; what has been read stays, and only the last page is asked for again. */
export function useLogs(id: string, live: boolean) {
  const client = useQueryClient();
  const key = [...runKey(id), "logs"];
  return useQuery({
    queryKey: key,
    queryFn: async ({ signal }): Promise<LogData> => {
      const before = client.getQueryData<LogData>(key);
      const items = before ? before.items.slice(0, before.done) : [];
      let from = before?.from;
      for (let page = 0; page < PAGES; page += 1) {
        const query = from === undefined ? {} : { cursor: from };
        const found = await data(api.GET("/api/v1/runs/{id}/logs", { params: { path: { id }, query }, signal }));
        const done = items.length;
        items.push(...found.items);
        if (!found.next) return { items, done, from, more: false };
        from = found.next;
      }
      return { items, done: items.length, from, more: true };
    },
    structuralSharing: false,
    refetchInterval: ({ state }) => live && Math.max(LOOK, pause(state.data?.items.length ?? 0)),
  });
}

export function useDrawing(id: string, on: boolean) {
  return useQuery({
    queryKey: [...runKey(id), "drawing"],
    queryFn: ({ signal }) => data(api.GET("/api/v1/runs/{id}/diagram", { params: { path: { id } }, signal })),
    enabled: on,
  });
}

export function useEvent(id: string | null) {
  return useQuery({
    queryKey: ["event", id],
    queryFn: ({ signal }) => data(api.GET("/api/v1/events/{id}", { params: { path: { id: id ?? "" } }, signal })),
    enabled: id !== null,
    staleTime: 60_000,
  });
}

/** The flow as it is now, to say whether the run has another version. */
export function useFlow(name: string | undefined) {
  useRefresh(["flow"], ["flows", "one", name], { only: (change) => change.name === name || change.flow === name });
  return useQuery({
    queryKey: ["flows", "one", name],
    queryFn: ({ signal }) => data(api.GET("/api/v1/flows/{name}", { params: { path: { name: name ?? "" } }, signal })),
    enabled: name !== undefined,
    staleTime: 30_000,
  });
}
