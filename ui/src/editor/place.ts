/**
 * Where in a YAML text one is: the path of keys, and whether a key or a value is wanted there.
 *
 * What is being written is never whole. So a word that nobody writes is put at the cursor and the text is read with it;
 * the reader forgives the rest.
 */
import { isPair, isScalar, isSeq, type Node, type Pair, parseDocument, visit } from "yaml";

export interface Place {
  path: (string | number)[];
  kind: "key" | "value";
  /** What is written of it so far, and where that begins and ends. */
  word: string;
  from: number;
  to: number;
  /** The whole text as values, with what is at the cursor left out of the map. */
  root: unknown;
}

const MARK = "zqxmarkzqx";
const WORD = /[\w.-]*$/;
const REST = /^[\w.-]*/;

export function placeAt(text: string, position: number): Place | null {
  const begin = text.lastIndexOf("\n", position - 1) + 1;
  const line = text.slice(begin, position);
  if (/(^|\s)#/.test(line)) return null;
  const word = WORD.exec(line)?.[0] ?? "";
  const rest = REST.exec(text.slice(position))?.[0] ?? "";
  const from = position - word.length;
  const to = position + rest.length;
  const before = line.slice(0, line.length - word.length);
  const ownLine = /^\s*(-\s+)*$/.test(before);
  const colon = ownLine && !/^\s*:/.test(text.slice(to)) ? ": " : "";
  const marked = `${text.slice(0, from)}${MARK}${colon}${text.slice(to)}`;
  const found = find(marked);
  return found && { ...found, word, from, to };
}

function find(text: string): Pick<Place, "path" | "kind" | "root"> | null {
  const doc = parseDocument(text, { strict: false, uniqueKeys: false, logLevel: "silent" });
  let found: { path: (string | number)[]; kind: "key" | "value" } | null = null;
  visit(doc, {
    Scalar(key, node, above) {
      if (node.value !== MARK) return undefined;
      const pair = above.at(-1);
      const isKey = isPair(pair) && pair.key === node;
      const path = pathOf(above as readonly Node[], node);
      found = { path: isKey ? path.slice(0, -1) : path, kind: isKey || key === "key" ? "key" : "value" };
      return visit.BREAK;
    },
  });
  return found && { ...(found as { path: (string | number)[]; kind: "key" | "value" }), root: without(values(doc)) };
}

function values(doc: { toJS: (options: { maxAliasCount: number }) => unknown }): unknown {
  try {
    return doc.toJS({ maxAliasCount: 100 });
  } catch {
    return null;
  }
}

const DEEPEST = 40;

/** What is written, without the mark. An alias may lead back to where it stands: what is too deep is left out. */
function without(value: unknown, depth = 0): unknown {
  if (depth > DEEPEST) return null;
  if (Array.isArray(value)) return value.map((inner) => without(inner, depth + 1));
  if (value === null || typeof value !== "object") return value === MARK ? null : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== MARK)
      .map(([name, inner]) => [name, without(inner, depth + 1)]),
  );
}

/** The keys and numbers that lead to a node. */
export function pathOf(above: readonly (Node | Pair | unknown)[], node: unknown): (string | number)[] {
  const path: (string | number)[] = [];
  const chain = [...above, node];
  for (const [n, each] of chain.entries()) {
    if (isPair(each)) path.push(isScalar(each.key) ? String(each.key.value) : "");
    else if (isSeq(each)) path.push(each.items.indexOf(chain[n + 1] as never));
  }
  return path;
}

export interface Word {
  path: (string | number)[];
  isKey: boolean;
  text: string;
  from: number;
  to: number;
  root: unknown;
}

/** The key or plain value that stands at a position. */
export function wordAt(text: string, position: number): Word | null {
  const doc = parseDocument(text, { strict: false, uniqueKeys: false, logLevel: "silent" });
  let found: Word | null = null;
  visit(doc, {
    Scalar(_, node, above) {
      const [from, to] = node.range ?? [0, 0];
      if (position < from || position > to) return undefined;
      const pair = above.at(-1);
      const isKey = isPair(pair) && pair.key === node;
      found = { path: pathOf(above, node), isKey, text: String(node.value), from, to, root: null };
      return visit.BREAK;
    },
  });
  return found && { ...(found as Word), root: values(doc) };
}
