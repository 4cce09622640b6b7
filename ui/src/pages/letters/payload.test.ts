import { expect, test } from "vitest";
import { bytesOf, draftOf, hexLines, jsonOf, textOf } from "./payload";

test("text and JSON", () => {
  const letter = { text: '{"a": "é"}', base64: null };
  expect(jsonOf(letter)).toEqual({ value: { a: "é" } });
  expect(bytesOf(letter).length).toBe(11);
  expect(draftOf(letter)).toBe('{\n  "a": "é"\n}');
  expect(draftOf({ text: '{"a": ', base64: null })).toBe('{"a": ');
});

test("bytes that are no text", () => {
  const letter = { text: null, base64: btoa("\xff\x00A\x80") };
  expect(jsonOf(letter)).toBeUndefined();
  expect(textOf(letter)).toContain("A");
  expect(hexLines(bytesOf(letter), 100)).toEqual([`00000000  ff 00 41 80${" ".repeat(36)}  ··A·`]);
  expect(hexLines(new Uint8Array(40), 32)).toHaveLength(2);
});
