/** How a flow stands: worst first, in a word that `Status` knows. */
import type { Shapes } from "@/api/client";

export type FlowRow = Shapes["FlowRow"];
export type Figures = Shapes["FlowFigures"];
export type Trigger = Shapes["TriggerShape"];

const WORST = ["failed", "lagging", "arming", "armed", "disabled"];

/** The state of the trigger that is worst off; null: there is none. */
export function worstTrigger(triggers: readonly Trigger[]): Trigger | null {
  return [...triggers].sort((a, b) => WORST.indexOf(a.state) - WORST.indexOf(b.state))[0] ?? null;
}

export type FlowState = "disabled" | "broken" | "failed" | "lagging" | "arming" | "armed" | "by hand";

export function stateOf(flow: FlowRow): FlowState {
  if (!flow.enabled) return "disabled";
  if (flow.problems.some((problem) => problem.severity === "error")) return "broken";
  return (worstTrigger(flow.triggers)?.state as FlowState | undefined) ?? "by hand";
}

export const STATES: readonly (readonly [FlowState, string])[] = [
  ["armed", "Listening"],
  ["lagging", "Lagging"],
  ["failed", "Trigger failed"],
  ["arming", "Arming"],
  ["broken", "Broken file"],
  ["by hand", "Started by hand"],
  ["disabled", "Disabled"],
];

/** When a trigger fires next; null: none of them knows. */
export function nextFire(flow: FlowRow): string | null {
  const times = flow.enabled ? flow.triggers.flatMap((trigger) => (trigger.next_at ? [trigger.next_at] : [])) : [];
  return times.sort()[0] ?? null;
}

/** Whether the words of the search are all in the name, the sentence, the description, the file or a label. */
export function found(flow: FlowRow, text: string): boolean {
  const labels = Object.entries(flow.labels).map(([name, value]) => `${name}=${value}`);
  const there = [flow.name, flow.sentence, flow.description, flow.file ?? "", ...labels].join(" ").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => there.includes(word));
}

export function hasLabel(flow: FlowRow, wanted: string): boolean {
  const [name = "", value] = wanted.split(/=(.*)/s);
  return name in flow.labels && (value === undefined || value === "" || flow.labels[name] === value);
}
