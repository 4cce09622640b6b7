/** Lists by pages: one way for all of them. */
import { keepPreviousData, type QueryKey, useInfiniteQuery } from "@tanstack/react-query";

export interface Page<T> {
  items: T[];
  next?: string | null;
}

/** All pages that were asked for so far, as one list. `more` asks for the next one. */
export function usePages<T>(
  key: QueryKey,
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>,
) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page<T>) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    // An infinite query asks for all its pages again; a list that is followed live keeps to so many.
    maxPages: 10,
  });
  return {
    items: query.data?.pages.flatMap((page) => page.items),
    error: query.error,
    loading: query.isPending,
    stale: query.isPlaceholderData,
    more: query.hasNextPage && !query.isFetchingNextPage ? () => void query.fetchNextPage() : undefined,
    again: () => void query.refetch(),
  };
}
