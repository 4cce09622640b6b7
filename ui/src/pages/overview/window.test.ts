import { expect, test } from "vitest";
import { ended, windowOf } from "./window";

test("a range that is none is the last day", () => {
  expect(windowOf({ range: "<script>" }).query).toEqual({ since: "24h", step: "15m" });
  expect(windowOf({ range: "6h" })).toMatchObject({ query: { since: "6h", step: "5m" }, zoomed: false });
});

test("a stretch that was zoomed into counts for more, when it is one", () => {
  const stretch = { range: "7d", since: "2026-01-01T10:00:00Z", until: "2026-01-01T11:00:00Z" };
  expect(windowOf(stretch)).toMatchObject({ range: "7d", zoomed: true, query: { since: "2026-01-01T10:00:00.000Z" } });
  expect(windowOf({ ...stretch, until: "2025-01-01T11:00:00Z" }).zoomed).toBe(false);
  expect(windowOf({ ...stretch, since: "soon" }).zoomed).toBe(false);
});

test("a figure leads to the runs that it counts", () => {
  expect(ended("a", "b", "failed")).toBe("/runs?status=failed&finished_since=a&finished_until=b");
});
