/** Completion and explanations, from the schema of flows. What is shown is text, never markup. */
import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { autocompletion, startCompletion } from "@codemirror/autocomplete";
import type { Extension } from "@codemirror/state";
import { type EditorView, hoverTooltip } from "@codemirror/view";
import { placeAt, wordAt } from "./place";
import { type Choice, docAt, keysAt, type Schema, valuesAt } from "./schema";

/** Above it a text is not read with each key that is pressed. */
const LARGEST = 200_000;

export function assisted(schema: () => Schema | undefined): Extension {
  return [
    autocompletion({ override: [(context) => offered(context, schema())], activateOnTyping: true, icons: false }),
    hoverTooltip((view, position) => explained(view, position, schema())),
  ];
}

function offered(context: CompletionContext, schema: Schema | undefined): CompletionResult | null {
  const text = context.state.doc.toString();
  if (!schema || text.length > LARGEST) return null;
  const place = placeAt(text, context.pos);
  if (!place || (!context.explicit && place.kind === "key" && place.word === "")) return null;
  const isKey = place.kind === "key";
  const choices = (isKey ? keysAt : valuesAt)(schema, place.path, place.root);
  if (choices.length === 0) return null;
  const hasColon = /^\s*:/.test(text.slice(place.to, place.to + 3));
  return {
    from: place.from,
    to: place.to,
    options: choices.map((choice) => option(choice, isKey, hasColon)),
    validFor: /^[\w.-]*$/,
  };
}

function option(choice: Choice, isKey: boolean, hasColon: boolean): Completion {
  return {
    label: choice.label,
    apply: isKey && !hasColon ? key(choice) : choice.label,
    detail: choice.required ? "needed" : undefined,
    boost: choice.required ? 10 : 0,
    info: choice.doc ? () => written(choice) : undefined,
  };
}

/** A key with its colon; a map or list goes on in the next line, and what may stand behind it is offered at once. */
function key({ label, nested }: Choice) {
  return (view: EditorView, _: Completion, from: number, to: number) => {
    const line = view.state.doc.lineAt(from);
    const before = line.text.slice(0, from - line.from);
    const ownLine = /^\s*(-\s+)*$/.test(before);
    const insert = nested && ownLine ? `${label}:\n${" ".repeat(before.length + 2)}` : `${label}: `;
    view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length }, userEvent: "input" });
    startCompletion(view);
  };
}

function explained(view: EditorView, position: number, schema: Schema | undefined) {
  const text = view.state.doc.toString();
  if (!schema || text.length > LARGEST) return null;
  const word = wordAt(text, position);
  const found = word && docAt(schema, word.path, word.root, word.isKey ? undefined : word.text);
  if (!word || !found?.doc) return null;
  return { pos: word.from, end: word.to, above: true, create: () => ({ dom: written(found) }) };
}

function written({ doc, example }: Pick<Choice, "doc" | "example">): HTMLElement {
  const all = document.createElement("div");
  all.className = "cm-doc";
  const says = document.createElement("p");
  says.textContent = doc ?? "";
  all.append(says);
  if (example) {
    const shown = document.createElement("pre");
    shown.textContent = example;
    all.append(shown);
  }
  return all;
}
