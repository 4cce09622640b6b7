import { expect, test } from "vitest";
import { ago, bytes, percent, plural, span } from "./text";

test("a span is written in the unit that people think in", () => {
  expect([0, 0.2, 8, 999, 1_240, 59_400, 184_000, 7_800_000, 273_600_000].map(span)).toEqual([
    "0 ms",
    "<1 ms",
    "8 ms",
    "999 ms",
    "1.2 s",
    "59 s",
    "3 m 04 s",
    "2 h 10 m",
    "3 d 4 h",
  ]);
});

test("a rate is never rounded up to a success that is not there", () => {
  expect([1, 0.99999, 0.9997, 0.5, 0].map(percent)).toEqual(["100 %", "99.99 %", "99.97 %", "50.0 %", "0.0 %"]);
});

test("times that were and will be", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  expect(ago("2026-01-01T11:59:48Z", now)).toBe("12 s ago");
  expect(ago("2026-01-01T12:03:00Z", now)).toBe("in 3 m");
});

test("sizes and counts", () => {
  expect([999, 1_500, 250_000_000].map(bytes)).toEqual(["999 B", "1.5 KB", "250 MB"]);
  expect([plural(1, "run"), plural(2_000, "run"), plural(2, "entry", "entries")]).toEqual([
    "1 run",
    "2,000 runs",
    "2 entries",
  ]);
});
