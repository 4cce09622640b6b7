/** The filters of the list of runs: how the address says them, how the API does, and how a sentence does. */
import type { Filters } from "@/app/go";
import { RANGES } from "@/design/range";

export const STATUSES = ["pending", "running", "waiting", "paused", "completed", "failed", "cancelled"] as const;

const NAMES = [
  "status",
  "flow",
  "label",
  "trigger",
  "event",
  "parent",
  "error",
  "q",
  "since",
  "until",
  "finished_since",
  "finished_until",
] as const;

export type RunQuery = Partial<Record<(typeof NAMES)[number], string>>;

/** What of the address the API is asked with. */
export function queryOf(filters: Filters): RunQuery {
  const query: RunQuery = {};
  for (const name of NAMES) {
    if (filters[name]) query[name] = filters[name];
  }
  return query;
}

export function statusesOf(filters: Filters): readonly string[] {
  return (filters.status ?? "").split(",").filter((status) => status !== "");
}

/** A status in or out; in the order in which they are shown. */
export function toggled(filters: Filters, status: string): string | undefined {
  const now = new Set(statusesOf(filters));
  if (!now.delete(status)) now.add(status);
  return STATUSES.filter((each) => now.has(each)).join(",") || undefined;
}

/** What is listed, in a sentence. */
export function sentence(filters: Filters): string {
  const statuses = statusesOf(filters);
  const parts = ["Runs"];
  if (filters.flow) parts.push(`of ${filters.flow}`);
  if (filters.label) parts.push(`of flows labelled ${filters.label}`);
  if (filters.trigger) parts.push(`started by ${filters.trigger}`);
  if (filters.event) parts.push(`of the event ${filters.event}`);
  if (filters.parent) parts.push(`called by ${filters.parent}`);
  if (statuses.length > 0) parts.push(`that are ${statuses.join(" or ")}`);
  if (filters.error) parts.push(`that failed with ${filters.error}`);
  if (filters.q) parts.push(`with “${filters.q}”`);
  const range = RANGES.find(([value]) => value && value === filters.since)?.[1].toLowerCase();
  if (filters.until && filters.since) parts.push(`begun between ${filters.since} and ${filters.until}`);
  else if (range) parts.push(`of the ${range}`);
  else if (filters.since) parts.push(`begun since ${filters.since}`);
  else if (filters.until) parts.push(`begun until ${filters.until}`);
  const { finished_since: from, finished_until: to } = filters;
  if (from && to) parts.push(`that ended between ${from} and ${to}`);
  else if (from) parts.push(`that ended since ${from}`);
  else if (to) parts.push(`that ended until ${to}`);
  return `${parts.join(" ")}, newest first.`;
}
