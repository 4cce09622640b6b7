/** What a JSON Schema asks for, as fields of a form: their kinds, what is typed into them, and what that makes. Pure. */

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  enum?: unknown[];
  default?: unknown;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  writeOnly?: boolean;
}

export type Kind =
  | "choice"
  | "boolean"
  | "integer"
  | "number"
  | "date"
  | "time"
  | "text"
  | "long"
  | "secret"
  | "map"
  | "list"
  | "json";

/** What stands in the fields: texts as they are typed, true or false, and drafts of maps. */
export type Draft = { [name: string]: string | boolean | Draft | undefined };

export type Wrongs = Readonly<Record<string, string>>;

const LONG = 200;

/** A schema without the ways that a form does not offer: null, and all but the fittest of several shapes. */
export function plain(schema: Schema): Schema {
  const ways = (schema.anyOf ?? schema.oneOf ?? []).filter((one) => one.type !== "null");
  if (ways.length > 0) {
    const { anyOf: _, oneOf: __, ...about } = schema;
    const way =
      ways.find((one) => one.properties) ??
      ways.find((one) => one.type === "string") ??
      (ways.length === 1 ? ways[0] : {});
    return plain({ ...way, ...about });
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== "null");
    return { ...schema, type: types.includes("string") ? "string" : types[0] };
  }
  return schema;
}

export function kindOf(schema: Schema): Kind {
  if (Array.isArray(schema.enum)) return "choice";
  if (schema.type === "object" || schema.properties) return schema.properties ? "map" : "json";
  if (schema.writeOnly) return "secret";
  if (schema.type === "boolean" || schema.type === "integer" || schema.type === "number") return schema.type;
  if (schema.type === "array") return schema.items?.type === "string" && !schema.items.enum ? "list" : "json";
  if (schema.type !== "string") return "json";
  if (schema.format === "date") return "date";
  if (schema.format === "date-time") return "time";
  return (schema.maxLength ?? 0) > LONG ? "long" : "text";
}

/** The fields of a map, in the order of the schema. Names that every object has are names like others here. */
export function fieldsOf(schema: Schema): [string, Schema][] {
  return Object.entries(schema.properties ?? {}).map(([name, field]) => [name, plain(isMap(field) ? field : {})]);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function of<T>(map: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return map && Object.hasOwn(map, name) ? map[name] : undefined;
}

/** What is in the fields for these values; defaults where there are none. */
export function drafted(schema: Schema, values: Readonly<Record<string, unknown>> = {}): Draft {
  const draft: Draft = {};
  for (const [name, field] of fieldsOf(schema)) {
    const value = of(values, name) ?? field.default;
    if (value === undefined || value === null) continue;
    draft[name] = textOf(field, value);
  }
  return draft;
}

function textOf(field: Schema, value: unknown): string | boolean | Draft | undefined {
  switch (kindOf(field)) {
    case "map":
      return isMap(value) ? drafted(field, value) : value ? {} : undefined;
    case "boolean":
      return value === true;
    case "choice":
    case "json":
      return typeof value === "string" && kindOf(field) === "json" ? value : JSON.stringify(value);
    case "list":
      return Array.isArray(value) ? value.join("\n") : String(value);
    case "time":
      return String(value).slice(0, 16);
    default:
      return Array.isArray(value) ? value.join(",") : typeof value === "object" ? JSON.stringify(value) : String(value);
  }
}

/** The values that the fields make, and what is wrong, by the path of the field. `lean`: without what is the default. */
export function valuesOf(
  schema: Schema,
  draft: Draft,
  lean = false,
  at = "",
): { values: Record<string, unknown>; wrongs: Wrongs } {
  const values: Record<string, unknown> = {};
  const wrongs: Record<string, string> = {};
  for (const [name, field] of fieldsOf(schema)) {
    const path = `${at}${name}`;
    const needed = schema.required?.includes(name) ?? false;
    const typed = of(draft, name);
    if (kindOf(field) === "map") {
      if (typed === undefined && !needed) continue;
      const inner = valuesOf(field, isMap(typed) ? (typed as Draft) : {}, lean, `${path}.`);
      values[name] = inner.values;
      Object.assign(wrongs, inner.wrongs);
      continue;
    }
    const [value, wrong] = made(field, typed as string | boolean | undefined, needed);
    if (wrong) wrongs[path] = wrong;
    else if (value !== undefined && !(lean && !needed && value === field.default)) values[name] = value;
  }
  return { values, wrongs };
}

type Made = [value: unknown, wrong?: string];

function made(field: Schema, typed: string | boolean | undefined, needed: boolean): Made {
  const kind = kindOf(field);
  if (kind === "boolean") return [typed === true];
  const text = typeof typed === "string" ? typed : "";
  if (text.trim() === "") return needed ? [undefined, "This is needed."] : [undefined];
  if (kind === "integer" || kind === "number") return numberOf(field, text.trim(), kind);
  if (kind === "list")
    return [
      text
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean),
    ];
  if (kind === "json" || kind === "choice") return jsonOf(text);
  if (kind === "time") return [new Date(text).toISOString()];
  return [text, textWrong(field, text)];
}

function numberOf(field: Schema, text: string, kind: "integer" | "number"): Made {
  const value = Number(text.replace(",", "."));
  if (!Number.isFinite(value)) return [undefined, "This is no number."];
  if (kind === "integer" && !Number.isInteger(value)) return [undefined, "This has to be a whole number."];
  if (field.minimum !== undefined && value < field.minimum)
    return [undefined, `This has to be at least ${field.minimum}.`];
  if (field.maximum !== undefined && value > field.maximum)
    return [undefined, `This has to be at most ${field.maximum}.`];
  return [value];
}

function jsonOf(text: string): Made {
  try {
    return [JSON.parse(text)];
  } catch {
    return [undefined, "This is no JSON."];
  }
}

function textWrong(field: Schema, text: string): string | undefined {
  const length = [...text].length;
  if (field.minLength !== undefined && length < field.minLength)
    return `This has to have at least ${field.minLength} characters.`;
  if (field.maxLength !== undefined && length > field.maxLength)
    return `This has ${length} characters; at most ${field.maxLength} fit.`;
  return undefined;
}

/** How a choice is shown. */
export function choiceText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
