/** How an alert's figures are written, by their unit. */
import { count, span } from "@/format/text";

export function inUnit(value: number | null, unit: string): string {
  if (value === null) return "–";
  if (unit === "share") return `${Math.round(value * 1_000) / 10} %`;
  if (unit === "ms") return span(value);
  return count(Math.round(value * 100) / 100);
}

/** What a form holds as what a rule may say: numbers as numbers, durations and shares as they were written. */
export function ruleOf(form: Readonly<Record<string, string>>, keys: readonly string[]): Record<string, unknown> {
  const rule: Record<string, unknown> = {};
  for (const key of keys) {
    const text = form[key]?.trim() ?? "";
    if (key === "enabled") rule.enabled = text === "true";
    else if (key === "labels") {
      if (text) rule.labels = labelsOf(text);
    } else if (text === "") continue;
    else if (key === "min_runs") rule.min_runs = /^\d+$/.test(text) ? Number(text) : text;
    else if (key === "threshold") rule.threshold = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    else rule[key] = text;
  }
  return rule;
}

/** `team=sales, tier=1` */
export function labelsOf(text: string): Record<string, string> {
  const pairs = text.split(",").map((part) => part.trim());
  return Object.fromEntries(
    pairs.filter(Boolean).map((pair) => {
      const [name = "", ...value] = pair.split("=");
      return [name.trim(), value.join("=").trim()];
    }),
  );
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}
