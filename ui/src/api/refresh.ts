/** Keeps what is shown true: changes mark queries as stale, at most so often, and never while nothing is shown. */
import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useLive } from "./live";

/**
 * Ask again for these queries when something of these kinds has changed.
 *
 * The first change is followed at once, a flood of them every `every` milliseconds: a list of runs that a thousand
 * events a second run through is asked for twice a second, not a thousand times.
 */
export function useRefresh(
  kinds: readonly string[],
  key: QueryKey,
  { every = 500, only }: { every?: number; only?: (data: Record<string, unknown>) => boolean } = {},
): void {
  const client = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const at = useRef(0);
  const refresh = () => {
    timer.current = null;
    at.current = performance.now();
    void client.invalidateQueries({ queryKey: key });
  };
  useLive(kinds, (change) => {
    if (change.kind !== "gap" && only && !only(change.data)) return;
    if (timer.current !== null) return;
    timer.current = setTimeout(refresh, Math.max(0, at.current + every - performance.now()));
  });
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
    },
    [],
  );
}
