import { expect, test } from "vitest";
import { ranked } from "./matching";

const FLOWS = ["refund-orders", "orders", "orders-late", "hello"].map((name) => ({
  id: name,
  name,
  says: `does ${name}`,
}));

function names(text: string): string[] {
  return ranked(FLOWS, text, 3).map(({ name }) => name);
}

test("the beginning of a name comes before the beginning of a word in it, the shorter before the longer", () => {
  expect(names("ord")).toEqual(["orders", "orders-late", "refund-orders"]);
});

test("all words have to be there, wherever they stand", () => {
  expect(names("late ORD")).toEqual(["orders-late"]);
  expect(names("does hello")).toEqual(["hello"]);
  expect(names("hello <img")).toEqual([]);
});

test("nothing typed is all of them, as they come", () => {
  expect(names("  ")).toEqual(["refund-orders", "orders", "orders-late"]);
});
