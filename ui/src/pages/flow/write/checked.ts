/** What the server says of a text, asked for when writing has paused. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, data, type Shapes, send } from "@/api/client";
import type { Schema } from "@/editor";

export type Checked = Shapes["Validated"];

const PAUSE = 300;

export function usePaused<T>(value: T, pause = PAUSE): T {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(value), pause);
    return () => clearTimeout(timer);
  }, [value, pause]);
  return paused;
}

/** Asks with a text as the body; the answer is of the shape that the caller knows from the document. */
export async function ask<T>(path: string, text: string, init: RequestInit = {}): Promise<T> {
  const headers = { "content-type": "application/yaml" };
  const answer = await send(path, { method: "POST", body: text, headers, ...init });
  return (await answer.json()) as T;
}

export function useChecked(text: string) {
  const paused = usePaused(text);
  const query = useQuery({
    queryKey: ["validate", paused],
    queryFn: ({ signal }) => ask<Checked>("/api/v1/flows/validate", paused, { signal }),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
  });
  const fresh = paused === text && !query.isPlaceholderData;
  return { ...query, checked: query.data, fresh };
}

/** The schema of flows with all that is installed: for completion. It is large, and asked for once. */
export function useSchema(): Schema | undefined {
  const query = useQuery({
    queryKey: ["schema"],
    queryFn: () => data(api.GET("/api/v1/schema")),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return query.data as Schema | undefined;
}
