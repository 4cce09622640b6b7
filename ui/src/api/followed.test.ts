import { describe, expect, it } from "vitest";
import { fresh, merged } from "./followed";

const rows = (...ids: string[]) => ids.map((id) => ({ id }));

describe("a list that is followed", () => {
  it("has its head before its pages", () => {
    const { items, torn } = merged({ items: rows("e", "d", "c"), next: "c" }, rows("d", "c", "b", "a"));
    expect(items.map((row) => row.id)).toEqual(["e", "d", "c", "b", "a"]);
    expect(torn).toBe(false);
  });
  it("loses what has left it", () => {
    const { items } = merged({ items: rows("e", "c"), next: null }, rows("d", "c", "b"));
    expect(items.map((row) => row.id)).toEqual(["e", "c"]);
  });
  it("knows when more has come than its head holds", () => {
    const { torn } = merged({ items: rows("z", "y"), next: "y" }, rows("b", "a"));
    expect(torn).toBe(true);
  });
  it("counts what has come above the reader", () => {
    expect(fresh(rows("e", "d", "c"), "d")).toBe(1);
    expect(fresh(rows("e", "d", "c"), null)).toBe(0);
    expect(fresh(rows("e", "d", "a"), "c")).toBe(2);
  });
});
