/** Connections, the types that there are, and the names of secrets that they may use. */
import { useQuery } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { useMay } from "@/app/me";
import type { Schema } from "@/design/schema";

export type Connection = Shapes["ConnectionShape"];

export interface Kind {
  name: string;
  doc: string;
  testable: boolean;
  form: Schema;
}

const KEY = ["connections"] as const;
const MOST = 1_000;

export function useConnections() {
  const query = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => data(api.GET("/api/v1/connections", { params: { query: { limit: MOST } }, signal })),
  });
  useRefresh(["trigger", "flow", "connection"], KEY, { every: 2_000 });
  return { rows: query.data?.items, error: query.error, again: () => void query.refetch() };
}

export function useKinds(): Kind[] | undefined {
  const query = useQuery({
    queryKey: ["connectors"],
    queryFn: ({ signal }) => data(api.GET("/api/v1/connectors", { params: { query: { limit: MOST } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return query.data?.items.flatMap((one) => one.connections as Kind[]).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Undefined where they may not be seen: then the reference is written by hand. */
export function useSecretNames(): string[] | undefined {
  const may = useMay("operator");
  const query = useQuery({
    queryKey: ["secrets"],
    queryFn: ({ signal }) => data(api.GET("/api/v1/secrets", { params: { query: { limit: MOST } }, signal })),
    enabled: may,
    retry: false,
  });
  return query.data?.items.filter((one) => one.version !== null).map((one) => one.name);
}

/** Who uses it, in a sentence; empty: nobody does. */
export function usersOf(one: Pick<Connection, "used_by" | "flows">): string {
  const flows = [...new Set([...one.used_by.map((key) => key.slice(0, key.lastIndexOf("/"))), ...one.flows])];
  if (flows.length === 0) return "";
  const shown = flows.slice(0, 6).join(", ");
  return flows.length > 6 ? `${shown} and ${flows.length - 6} more` : shown;
}
