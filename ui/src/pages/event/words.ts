/** What the rules that are asked about an event are called. */
import type { Shapes } from "@/api/client";

export type Verdict = Shapes["Verdict"];
export type Answer = Shapes["AnswerShape"];

const RULES: Record<string, string> = {
  type: "When: the type",
  source: "When: the source",
  address: "When: sent to this trigger",
  enabled: "The trigger is on",
  "trigger.if": "Only if (trigger)",
  if: "Only if",
  unless: "Unless",
  pattern: "When: the pattern",
  run: "When: the end of a run",
  dedupe: "Not twice (dedupe)",
  rate_limit: "Rate limit",
  batch: "Gathered (batch)",
  debounce: "Debounced",
  hold: "Held",
  singleton: "Only one (singleton)",
  throttle: "Throttle",
  concurrency: "Concurrency",
  priority: "Priority",
};

export function ruleWords(rule: string): string {
  return RULES[rule] ?? rule;
}

const RESULTS: Record<string, readonly [string, string]> = {
  passed: ["completed", "lets it pass"],
  stopped: ["failed", "stops it"],
  merged: ["paused", "merged"],
  queued: ["waiting", "waits"],
  error: ["error", "error"],
  not_asked: ["skipped", "not asked"],
  contributed: ["completed", "contributed"],
};

/** The state whose look a result has, and its words. */
export function resultLook(result: string): readonly [string, string] {
  return RESULTS[result] ?? ["unknown", result];
}

/** Flows that listen for something else altogether: most of them, for most events. */
export function isStrange(verdict: Verdict): boolean {
  return !verdict.started && (verdict.rule === "type" || verdict.rule === "address");
}
