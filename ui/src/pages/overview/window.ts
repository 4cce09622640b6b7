/** Which stretch of time the page is about: a range that ends now, or one that was zoomed into. Both live in the URL. */
import { useNavigate } from "@tanstack/react-router";
import { address, useFilters } from "@/app/go";

export const RANGES = ["15m", "1h", "6h", "24h", "7d", "30d"] as const;

const NAMES: Record<string, string> = {
  "15m": "the last 15 minutes",
  "1h": "the last hour",
  "6h": "the last 6 hours",
  "24h": "the last 24 hours",
  "7d": "the last 7 days",
  "30d": "the last 30 days",
};

/** About a hundred points for each: bars that a hand can hit. */
const STEPS: Record<string, string> = { "15m": "1m", "1h": "1m", "6h": "5m", "24h": "15m", "7d": "3h", "30d": "6h" };

export interface Window {
  range: string;
  /** What the API is asked for. */
  query: { since: string; until?: string; step?: string };
  zoomed: boolean;
  /** In a sentence: `the last 24 hours`. */
  words: string;
}

export function windowOf({ range: wanted, since, until }: Readonly<Record<string, string | undefined>>): Window {
  const range = RANGES.find((each) => each === wanted) ?? "24h";
  const from = Date.parse(since ?? "");
  const to = Date.parse(until ?? "");
  if (Number.isNaN(from) || Number.isNaN(to) || from >= to) {
    return { range, query: { since: range, step: STEPS[range] }, zoomed: false, words: NAMES[range] ?? range };
  }
  const query = { since: new Date(from).toISOString(), until: new Date(to).toISOString() };
  return { range, query, zoomed: true, words: "this stretch of time" };
}

export function useWindow() {
  const [filters] = useFilters();
  const navigate = useNavigate();
  const go = (search: Record<string, string>) => void navigate({ to: ".", search } as never);
  const window = windowOf(filters);
  return {
    window,
    setRange: (range: string) => go({ range }),
    /** Kept in the browser's history, so that its way back leads out again. */
    zoom: (from: number, to: number) =>
      go({ range: window.range, since: iso(from), until: iso(Math.max(to, from + 60)) }),
    back: () => window.zoomed && go({ range: window.range }),
  };
}

export function iso(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace(".000Z", "Z");
}

/** The list of the runs that ended between these times. */
export function ended(since: string, until: string, status?: string): string {
  return address("/runs", { status, finished_since: since, finished_until: until });
}
