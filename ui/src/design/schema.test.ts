import { expect, test } from "vitest";
import { drafted, fieldsOf, kindOf, plain, type Schema, valuesOf } from "./schema";

const FORM: Schema = {
  type: "object",
  required: ["reason", "amount", "urgent"],
  properties: {
    reason: { type: "string", minLength: 2, maxLength: 10 },
    amount: { type: "integer", minimum: 1, maximum: 9 },
    price: { type: "number" },
    urgent: { type: "boolean" },
    colour: { enum: ["red", 3, null] },
    day: { type: "string", format: "date" },
    names: { type: "array", items: { type: "string" } },
    more: { type: "object" },
    note: { type: "string", maxLength: 1_000 },
  },
};

test("each field has its kind", () => {
  const kinds = fieldsOf(FORM).map(([, field]) => kindOf(field));
  expect(kinds).toEqual(["text", "integer", "number", "boolean", "choice", "date", "list", "json", "long"]);
});

test("what is typed becomes values of the right types", () => {
  const draft = {
    reason: "so",
    amount: " 7 ",
    price: "1,5",
    colour: "3",
    day: "2026-11-26",
    names: "a\n\n b ",
    more: '{"x":1}',
  };
  expect(valuesOf(FORM, draft)).toEqual({
    values: {
      reason: "so",
      amount: 7,
      price: 1.5,
      urgent: false,
      colour: 3,
      day: "2026-11-26",
      names: ["a", "b"],
      more: { x: 1 },
    },
    wrongs: {},
  });
});

test("what is wrong is said of the field", () => {
  const draft = { reason: "x", amount: "0", price: "much", more: "{" };
  expect(valuesOf(FORM, draft).wrongs).toEqual({
    reason: "This has to have at least 2 characters.",
    amount: "This has to be at least 1.",
    price: "This is no number.",
    more: "This is no JSON.",
  });
  expect(valuesOf(FORM, {}).wrongs).toEqual({ reason: "This is needed.", amount: "This is needed." });
  expect(valuesOf(FORM, { reason: "ok", amount: "1.5" }).wrongs).toEqual({ amount: "This has to be a whole number." });
});

test("maps within maps, secrets, and defaults that are left out", () => {
  const schema: Schema = {
    required: ["url"],
    properties: {
      url: { type: "string" },
      name: { type: "string", default: "reactor" },
      tls: {
        anyOf: [
          { type: "boolean" },
          {
            type: "object",
            properties: {
              key: { anyOf: [{ type: "string" }, { type: "null" }], writeOnly: true },
              verify: { type: "boolean", default: true },
            },
          },
        ],
        default: false,
      },
    },
  };
  expect(drafted(schema)).toEqual({ name: "reactor", tls: undefined });
  const draft = drafted(schema, { url: "redis://x", tls: { key: "{{ secrets.K }}" } });
  expect(draft.tls).toEqual({ key: "{{ secrets.K }}", verify: true });
  expect(kindOf(plain(plain(schema.properties?.tls ?? {}).properties?.key ?? {}))).toBe("secret");
  expect(valuesOf(schema, draft, true).values).toEqual({ url: "redis://x", tls: { key: "{{ secrets.K }}" } });
  expect(valuesOf(schema, { tls: {} }, true)).toEqual({
    values: { tls: { verify: false } },
    wrongs: { url: "This is needed." },
  });
});

test("names that every object has are names like others", () => {
  const schema: Schema = {
    properties: JSON.parse('{"__proto__": {"type": "string"}, "constructor": {"type": "string"}}'),
  };
  expect(drafted(schema, {})).toEqual({});
  expect(valuesOf(schema, {}).values).toEqual({});
});
