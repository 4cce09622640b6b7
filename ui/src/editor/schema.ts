/** What a JSON Schema says of one place in a document: the ways that are open there, given what is written already. */

export type Schema = {
  $ref?: string;
  description?: string;
  markdownDescription?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema | boolean;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  if?: Schema;
  then?: Schema;
  else?: Schema;
  not?: Schema;
  $defs?: Record<string, Schema>;
};

const DEEPEST = 12;

/** All schemas that may hold at a path of a document. */
export function schemasAt(root: Schema, path: readonly (string | number)[], document: unknown): Schema[] {
  let here = expand(root, root, document);
  let value = document;
  for (const key of path) {
    value = inside(value, key);
    here = here.flatMap((schema) => below(schema, key)).flatMap((schema) => expand(root, schema, value));
    if (here.length > 400) here = here.slice(0, 400);
  }
  return here;
}

function inside(value: unknown, key: string | number): unknown {
  if (value === null || typeof value !== "object") return undefined;
  return Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
}

function below(schema: Schema, key: string | number): Schema[] {
  if (typeof key === "number") return isSchema(schema.items) ? [schema.items] : [];
  const properties = schema.properties;
  if (properties && Object.hasOwn(properties, key)) return [properties[key] as Schema];
  return isSchema(schema.additionalProperties) ? [schema.additionalProperties] : [];
}

function isSchema(value: Schema | boolean | undefined): value is Schema {
  return typeof value === "object" && value !== null;
}

/** A schema and all that it stands for. */
function expand(root: Schema, schema: Schema, value: unknown, depth = 0): Schema[] {
  if (depth > DEEPEST) return [];
  const found: Schema[] = [schema];
  if (schema.$ref) {
    const named = root.$defs?.[schema.$ref.replace("#/$defs/", "")];
    if (named) found.push(...expand(root, named, value, depth + 1));
  }
  for (const way of fitting([...(schema.anyOf ?? []), ...(schema.oneOf ?? [])], value)) {
    found.push(...expand(root, way, value, depth + 1));
  }
  for (const part of schema.allOf ?? []) {
    if (!part.if) found.push(...expand(root, part, value, depth + 1));
    else if (holds(part.if, value)) {
      if (part.then) found.push(...expand(root, part.then, value, depth + 1));
    } else if (part.else) found.push(...expand(root, part.else, value, depth + 1));
  }
  return found;
}

/** Of several ways, those that what is written has chosen; all of them where it has not. */
function fitting(ways: readonly Schema[], value: unknown): readonly Schema[] {
  if (value === null || value === undefined) return ways;
  const fit = ways.filter((way) => ofType(way, value));
  if (typeof value !== "object" || Array.isArray(value)) return fit;
  const chosen = fit.filter((way) => way.required?.length && way.required.every((name) => Object.hasOwn(value, name)));
  return chosen.length > 0 ? [...chosen, ...fit.filter((way) => !way.required?.length)] : fit;
}

function ofType(schema: Schema, value: unknown): boolean {
  if (!schema.type) return true;
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  if (Array.isArray(value)) return types.includes("array");
  if (typeof value === "object") return types.includes("object");
  return types.some((type) => type !== "object" && type !== "array");
}

/** Whether the condition of an `if` holds; only what our schemas say in one. */
function holds(condition: Schema, value: unknown): boolean {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  if (!(condition.required ?? []).every((name) => Object.hasOwn(value, name))) return false;
  return Object.entries(condition.properties ?? {}).every(([name, { const: wanted, enum: among }]) => {
    const there = inside(value, name);
    if (wanted !== undefined) return there === wanted;
    return among === undefined || among.includes(there);
  });
}

export interface Choice {
  label: string;
  doc?: string;
  example?: string;
  required?: boolean;
  /** The value is a map or a list, on lines of its own. */
  nested?: boolean;
}

/** The keys that may stand in the map at this place. */
export function keysAt(root: Schema, path: readonly (string | number)[], document: unknown): Choice[] {
  const there = valueAt(document, path);
  const taken = new Set(there !== null && typeof there === "object" ? Object.keys(there) : []);
  const found = new Map<string, Choice>();
  for (const schema of schemasAt(root, path, document)) {
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      if (taken.has(name) || found.has(name) || isNever(property)) continue;
      const required = schema.required?.includes(name);
      found.set(name, { label: name, required, nested: isNested(root, property), ...told(root, property) });
    }
  }
  return [...found.values()];
}

/** The values that may stand there, where they can be listed. */
export function valuesAt(root: Schema, path: readonly (string | number)[], document: unknown): Choice[] {
  const found = new Map<string, Choice>();
  const above = schemasAt(root, path.slice(0, -1), document);
  const key = path.at(-1);
  for (const schema of schemasAt(root, path, document)) {
    const listed = schema.enum ?? (schema.const !== undefined ? [schema.const] : []);
    for (const value of schema.type === "boolean" ? [true, false] : listed) {
      const label = typeof value === "string" ? value : JSON.stringify(value);
      if (!found.has(label)) found.set(label, { label, ...ofValue(above, key, value) });
    }
  }
  return [...found.values()];
}

/** What a schema says of one value of a key: that of an action, most of all. */
function ofValue(above: readonly Schema[], key: string | number | undefined, value: unknown): Pick<Choice, "doc"> {
  if (typeof key !== "string") return {};
  for (const schema of above) {
    for (const part of schema.allOf ?? []) {
      if (part.if?.properties?.[key]?.const === value && part.then?.description) return { doc: part.then.description };
    }
  }
  return {};
}

/** What the schema says of a key, or of a value that can be listed. */
export function docAt(
  root: Schema,
  path: readonly (string | number)[],
  document: unknown,
  value?: string,
): Pick<Choice, "doc" | "example"> | null {
  if (value !== undefined) {
    const choice = valuesAt(root, path, document).find((one) => one.label === value);
    if (choice?.doc) return choice;
  }
  for (const schema of schemasAt(root, path, document)) {
    if (schema.description) return told(root, schema);
  }
  return null;
}

function told(root: Schema, schema: Schema): Pick<Choice, "doc" | "example"> {
  const named = schema.$ref ? root.$defs?.[schema.$ref.replace("#/$defs/", "")] : undefined;
  const example = /```yaml\n([\s\S]*?)\n```/.exec(schema.markdownDescription ?? "")?.[1];
  return { doc: schema.description ?? named?.description, example };
}

function isNever(schema: Schema): boolean {
  return schema.not !== undefined && Object.keys(schema.not).length === 0;
}

function isNested(root: Schema, schema: Schema): boolean {
  const named = schema.$ref ? root.$defs?.[schema.$ref.replace("#/$defs/", "")] : schema;
  return named?.type === "object" || named?.type === "array";
}

export function valueAt(document: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(inside, document);
}
