/**
 * A list, newest first, that is followed while it is read.
 *
 * Only its head (the first page) is asked for again when something changes: a reader who has come to the fiftieth page
 * costs no more than one at the first, and what is read does not move. Rows further down take their new states from the
 * stream itself. Ids sort by time, so the head and the pages fit together by them.
 */
import { keepPreviousData, type QueryKey, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useRef, useState } from "react";
import type { Page } from "./lists";
import { useLive } from "./live";
import { useRefresh } from "./refresh";

interface Row {
  id: string;
}

/** The head before the pages; what stood between its rows and is not in it any more has left the list. */
export function merged<T extends Row>(head: Page<T> | undefined, pages: readonly T[]): { items: T[]; torn: boolean } {
  if (head === undefined) return { items: [...pages], torn: false };
  // How far down the head has looked; a page may hold few rows though it has looked at many.
  const last = head.next ?? "";
  const below = pages.filter((row) => row.id < last);
  // More has come than a page holds: what lies between the head and the pages is not known.
  const torn = pages.length > 0 && head.next != null && !pages.some((row) => row.id >= last);
  return { items: [...head.items, ...below], torn };
}

/** How many rows at the top have come since the reader left it. */
export function fresh<T extends Row>(items: readonly T[], known: string | null): number {
  if (known === null) return 0;
  const at = items.findIndex((row) => row.id <= known);
  return at < 0 ? items.length : at;
}

export interface Following<T> {
  kinds: readonly string[];
  /** What a change of the stream says of the row with this id; undefined: nothing. */
  patch?: (change: Record<string, unknown>) => { id: string; row: Partial<T> } | undefined;
}

export function useFollowed<T extends Row>(
  key: QueryKey,
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>,
  { kinds, patch }: Following<T>,
) {
  const client = useQueryClient();
  const headKey = useMemo(() => [...key, "head"], [key]);
  const pagesKey = useMemo(() => [...key, "pages"], [key]);
  const pages = useInfiniteQuery({
    queryKey: pagesKey,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page<T>) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
  const head = useQuery({
    queryKey: headKey,
    queryFn: ({ signal }) => read(undefined, signal),
    enabled: pages.data !== undefined && !pages.isPlaceholderData,
    placeholderData: undefined,
    staleTime: 0,
  });
  useRefresh(kinds, headKey);
  const patches = usePatches<T>(kinds, patch);
  const held = useHeld();
  const all = pages.data?.pages.flatMap((page) => page.items);
  const { items, torn } = merged(pages.isPlaceholderData ? undefined : head.data, all ?? []);
  const shown = items.map((row) => patches.of(row, head.data));
  const news = fresh(shown, held.known);
  const again = useCallback(() => {
    client.removeQueries({ queryKey: headKey });
    return client.resetQueries({ queryKey: pagesKey });
  }, [client, headKey, pagesKey]);
  return {
    items: all === undefined ? undefined : shown.slice(news),
    news,
    torn,
    /** Told by the page: whether the top of the list is in sight. */
    atTop: (top: boolean) => held.set(top ? null : (shown[news]?.id ?? null)),
    release: () => held.set(null),
    error: pages.error ?? (all === undefined ? head.error : null),
    stale: pages.isPlaceholderData,
    /** Asks for the next page; undefined: there is none, or it is on its way. */
    more: pages.hasNextPage && !pages.isFetchingNextPage ? () => void pages.fetchNextPage() : undefined,
    looking: pages.isFetchingNextPage,
    last: pages.data?.pages.at(-1)?.next ?? null,
    again,
  };
}

function useHeld() {
  const [known, setKnown] = useState<string | null>(null);
  const set = (next: string | null) => setKnown((now) => (now !== null && next !== null ? now : next));
  return { known, set };
}

/** What the stream has said of rows, until the head says it better. */
function usePatches<T extends Row>(kinds: readonly string[], patch: Following<T>["patch"]) {
  const said = useRef(new Map<string, Partial<T>>());
  const [, draw] = useState(0);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useLive(kinds, ({ kind, data }) => {
    const told = kind === "gap" ? undefined : patch?.(data);
    if (told === undefined) return;
    said.current.delete(told.id);
    said.current.set(told.id, told.row);
    if (said.current.size > 5_000) said.current.delete(said.current.keys().next().value as string);
    timer.current ??= setTimeout(() => {
      timer.current = null;
      draw((n) => n + 1);
    }, 500);
  });
  const of = (row: T, head: Page<T> | undefined): T => {
    const change = said.current.get(row.id);
    return change === undefined || head?.items.includes(row) ? row : { ...row, ...change };
  };
  return { of };
}
