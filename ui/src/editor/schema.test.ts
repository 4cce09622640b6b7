import { expect, test } from "vitest";
import { placeAt, wordAt } from "./place";
import { docAt, keysAt, type Schema, valuesAt } from "./schema";

const SCHEMA: Schema = {
  type: "object",
  properties: {
    name: { type: "string", description: "The flow's name." },
    on: { anyOf: [{ $ref: "#/$defs/trigger" }, { type: "array", items: { $ref: "#/$defs/trigger" } }] },
    steps: { type: "array", items: { $ref: "#/$defs/step" } },
    undo: { enum: ["on_failure", "never"] },
    later: { not: {} },
  },
  $defs: {
    trigger: {
      anyOf: [
        { required: ["event"], properties: { event: { type: "string" }, source: { type: "string" } } },
        { required: ["schedule"], properties: { schedule: { type: "string" }, cron: { type: "string" } } },
      ],
    },
    step: {
      type: "object",
      properties: {
        action: { type: "string", enum: ["log.info", "http.request"], description: "Calls an action." },
        retry: { type: "object", properties: { backoff: { enum: ["fixed", "linear"] } } },
        steps: { type: "array", items: { $ref: "#/$defs/step" } },
        quiet: { type: "boolean" },
      },
      allOf: [
        {
          if: { required: ["action"], properties: { action: { const: "log.info" } } },
          // biome-ignore lint/suspicious/noThenProperty: JSON Schema calls it so
          then: { description: "Write a line.", properties: { message: { type: "string" } } },
        },
      ],
    },
  },
};

/** What is offered at `|`. */
function offered(text: string): string[] {
  const place = placeAt(text.replace("|", ""), text.indexOf("|"));
  if (!place) return [];
  const at = place.kind === "key" ? keysAt : valuesAt;
  return at(SCHEMA, place.path, place.root).map((choice) => choice.label);
}

test("keys of the flow, those that are there left out, and none that is not to be", () => {
  expect(offered("name: x\n|")).toEqual(["on", "steps", "undo"]);
  expect(offered("name: x\nun|\nsteps: []\n")).toEqual(["on", "undo"]);
});

test("keys of a step, and those of its action", () => {
  expect(offered("steps:\n  - |")).toEqual(["action", "retry", "steps", "quiet"]);
  expect(offered("steps:\n  - action: log.info\n    |")).toEqual(["retry", "steps", "quiet", "message"]);
  expect(offered("steps:\n  - action: log.info\n    me|\n  - action: http.request\n")).toContain("message");
  expect(offered("steps:\n  - action: http.request\n    |")).not.toContain("message");
  expect(offered("steps:\n  - steps:\n      - action: log.info\n        |")).toContain("message");
});

test("values: of enums, truths, in the middle of a word, in one line", () => {
  expect(offered("undo: |")).toEqual(["on_failure", "never"]);
  expect(offered("undo: nev|er\nname: x")).toEqual(["on_failure", "never"]);
  expect(offered("steps:\n  - action: |")).toEqual(["log.info", "http.request"]);
  expect(offered("steps:\n  - quiet: |")).toEqual(["true", "false"]);
  expect(offered("steps:\n  - retry: {backoff: |}")).toEqual(["fixed", "linear"]);
  expect(offered("steps:\n  - retry: {ba|}")).toEqual(["backoff"]);
  expect(offered("steps: [{action: log.info, |}]")).toContain("message");
});

test("of several ways only the one that is begun", () => {
  expect(offered("on: {event: x, |}")).toEqual(["source"]);
  expect(offered("on:\n  - |")).toEqual(["event", "source", "schedule", "cron"]);
  expect(offered("on:\n  - schedule: x\n    |")).toEqual(["cron"]);
});

test("nothing in comments, nor where the text is none", () => {
  expect(offered("# na|")).toEqual([]);
  expect(offered("name: |")).toEqual([]);
  expect(offered("a: [b: {c: |")).toEqual([]);
  expect(offered("steps: &a [*a, |]")).toBeDefined();
});

test("what the words under the pointer mean", () => {
  const text = "name: x\nsteps:\n  - action: log.info\n";
  const word = (at: string) => {
    const found = wordAt(text, text.indexOf(at));
    return found && docAt(SCHEMA, found.path, found.root, found.isKey ? undefined : found.text)?.doc;
  };
  expect(word("name")).toBe("The flow's name.");
  expect(word("action")).toBe("Calls an action.");
  expect(word("log.info")).toBe("Write a line.");
});
