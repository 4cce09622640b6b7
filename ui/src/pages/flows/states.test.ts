import { expect, test } from "vitest";
import { type FlowRow, found, hasLabel, nextFire, stateOf, type Trigger } from "./states";

function flow(more: Partial<FlowRow> = {}): FlowRow {
  const base = { name: "orders", description: "", labels: {}, version: 1, enabled: true, file: null, sentence: "" };
  return { ...base, triggers: [], problems: [], ...more } as FlowRow;
}

function trigger(state: string, next_at: string | null = null): Trigger {
  return { state, next_at } as Trigger;
}

test("the worst of its triggers is how a flow stands", () => {
  expect(stateOf(flow())).toBe("by hand");
  expect(stateOf(flow({ triggers: [trigger("armed"), trigger("failed"), trigger("lagging")] }))).toBe("failed");
  expect(stateOf(flow({ triggers: [trigger("armed"), trigger("arming")] }))).toBe("arming");
  const problems = [{ severity: "error" }] as FlowRow["problems"];
  expect(stateOf(flow({ problems, triggers: [trigger("armed")] }))).toBe("broken");
  expect(stateOf(flow({ problems, enabled: false }))).toBe("disabled");
});

test("the soonest trigger is when it fires next, and never while it is disabled", () => {
  const triggers = [
    trigger("armed"),
    trigger("armed", "2026-02-01T00:00:00Z"),
    trigger("armed", "2026-01-01T00:00:00Z"),
  ];
  expect(nextFire(flow({ triggers }))).toBe("2026-01-01T00:00:00Z");
  expect(nextFire(flow({ triggers, enabled: false }))).toBeNull();
  expect(nextFire(flow())).toBeNull();
});

test("a search takes all words, wherever they stand", () => {
  const one = flow({ sentence: "When an event order.placed comes: charge", labels: { team: "shop" } });
  expect(found(one, "CHARGE order")).toBe(true);
  expect(found(one, "team=shop")).toBe(true);
  expect(found(one, "charge refund")).toBe(false);
});

test("a label with or without its value", () => {
  const one = flow({ labels: { team: "a=b" } });
  expect([hasLabel(one, "team"), hasLabel(one, "team=a=b"), hasLabel(one, "team=a"), hasLabel(one, "x")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
