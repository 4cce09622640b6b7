import { expect, test } from "vitest";
import { warp, works } from "./warp";

const work = (start: number, end: number) => ({ spans: [{ kind: "work", start, end }] }) as never;
const HOUR = 3_600_000;

test("a long sleep is squeezed, and every time has one place", () => {
  const line = warp(works([work(0, 1_000), work(HOUR, HOUR + 1_000)]), 0, HOUR + 1_000);
  expect(line.breaks).toHaveLength(1);
  expect(line.to(500)).toBe(500);
  expect(line.to(HOUR + 1_000)).toBeLessThan(2_500);
  for (const at of [0, 999, 1_000, 5_000, HOUR / 2, HOUR, HOUR + 700])
    expect(line.back(line.to(at))).toBeCloseTo(at, 3);
});

test("short gaps stay as they are", () => {
  expect(warp(works([work(0, 100), work(600, 900)]), 0, 900).breaks).toEqual([]);
});
