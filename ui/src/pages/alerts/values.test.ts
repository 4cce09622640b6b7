import { expect, test } from "vitest";
import { inUnit, labelsOf, labelText, ruleOf } from "./values";

test("figures are written in their unit", () => {
  expect([inUnit(0.125, "share"), inUnit(90_000, "ms"), inUnit(5_000, "count"), inUnit(null, "ms")]).toEqual([
    "12.5 %",
    "1 m 30 s",
    "5,000",
    "–",
  ]);
});

test("a form says only what its kind knows, in types that the API takes", () => {
  const form = {
    name: "x",
    threshold: "0.2",
    min_runs: "5",
    window: "1h",
    labels: "",
    percentile: "p95",
    enabled: "true",
  };
  expect(ruleOf(form, ["name", "threshold", "min_runs", "window", "labels", "enabled"])).toEqual({
    name: "x",
    threshold: 0.2,
    min_runs: 5,
    window: "1h",
    enabled: true,
  });
  expect(ruleOf({ threshold: "30s", min_runs: "few" }, ["threshold", "min_runs"])).toEqual({
    threshold: "30s",
    min_runs: "few",
  });
});

test("labels are read as they are written", () => {
  expect(labelsOf("team=sales, note=a=b,")).toEqual({ team: "sales", note: "a=b" });
  expect(labelText({ team: "sales", tier: "1" })).toBe("team=sales, tier=1");
});
