import { describe, expect, it } from "vitest";
import { panned, ticks, zoomed } from "./scale";

const whole = { from: 1_000, to: 11_000 };

describe("the scale of a timeline", () => {
  it("zooms about the place of the pointer and keeps within the run", () => {
    const near = zoomed(whole, whole, 0.5, 0.25);
    expect(near).toEqual({ from: 2_250, to: 7_250 });
    expect(zoomed(near, whole, 4, 0.5)).toEqual(whole);
    expect(panned(near, whole, 10)).toEqual({ from: 6_000, to: 11_000 });
  });
  it("has ticks at round times", () => {
    expect(ticks(whole, 1_000, 6).map((tick) => tick.label)).toEqual(["0", "2.0 s", "4.0 s", "6.0 s", "8.0 s", "10 s"]);
  });
});
