import { describe, expect, it } from "vitest";
import { chain, type Lane, rows, tree } from "./tree";

const lane = (path: string, start: number, end: number | null = start + 1, status = "completed"): Lane =>
  ({ path, status, start, end, spans: [] }) as unknown as Lane;

describe("the tree of lanes", () => {
  it("knows what a step stands in", () => {
    expect(chain("each[3].branches.sms.send")).toEqual([
      "each",
      "each[3]",
      "each[3].branches.sms",
      "each[3].branches.sms.send",
    ]);
    expect(chain("sw.cases[0].inside")).toEqual(["sw", "sw.cases[0]", "sw.cases[0].inside"]);
    expect(chain("grid[1][2].x")).toEqual(["grid", "grid[1]", "grid[1][2]", "grid[1][2].x"]);
    expect(chain("pay.on_error.tell")).toEqual(["pay", "pay.on_error", "pay.on_error.tell"]);
  });
  it("survives what is no path", () => {
    expect(chain("a[")).toEqual(["a", "a["]);
    expect(chain("")).toEqual([]);
    expect(chain("..")).toEqual(["", "."]);
  });
  it("makes what the journal does not speak of", () => {
    const [each] = tree([lane("each[1].say", 5), lane("each[0].say", 3, null, "running")]);
    expect(each?.children.map((child) => child.name)).toEqual(["[0]", "[1]"]);
    expect([each?.start, each?.end, each?.status]).toEqual([3, null, "running"]);
  });
  it("folds ten thousand iterations, quickly", () => {
    const lanes = Array.from({ length: 10_000 }, (_, n) =>
      lane(`each[${n}].say`, n, n + 1, n % 100 ? "completed" : "failed"),
    );
    const nodes = tree([lane("each", 0, null, "running"), ...lanes]);
    expect(rows(nodes, new Map())).toHaveLength(1);
    expect([nodes[0]?.total, nodes[0]?.failed]).toEqual([10_000, 100]);
    expect(rows(nodes, new Map([["each", false]]))).toHaveLength(20_001);
  });
});
