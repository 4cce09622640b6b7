import { describe, expect, it } from "vitest";
import { queryOf, sentence, toggled } from "./filters";

describe("the filters of runs", () => {
  it("give the API what it knows", () => {
    expect(queryOf({ status: "failed", flow: "", step: "x" })).toEqual({ status: "failed" });
  });
  it("turn states on and off, in one order", () => {
    expect(toggled({ status: "failed" }, "running")).toBe("running,failed");
    expect(toggled({ status: "failed" }, "failed")).toBeUndefined();
  });
  it("read as a sentence", () => {
    expect(sentence({ status: "failed,cancelled", flow: "orders", since: "24h" })).toBe(
      "Runs of orders that are failed or cancelled of the last 24 hours, newest first.",
    );
    expect(sentence({})).toBe("Runs, newest first.");
  });
});
