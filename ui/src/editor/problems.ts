/** What the server has found wrong in a text, where the editor shows it; and mending it. */
import type { Diagnostic } from "@codemirror/lint";
import type { Text } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import type { Shapes } from "@/api/client";

export type Problem = Shapes["FileProblem"];

/** Where a line and column are. The server counts characters, the editor units of UTF-16; both may be past the end. */
export function offsetOf(text: Text, line: number | null, column: number | null): number {
  if (text.length === 0) return 0;
  const found = text.line(Math.max(1, Math.min(line ?? 1, text.lines)));
  const before = [...found.text].slice(0, Math.max(0, (column ?? 1) - 1)).join("");
  return Math.min(found.to, found.from + before.length);
}

export function rangeOf(text: Text, problem: Problem): { from: number; to: number } {
  const from = offsetOf(text, problem.line, problem.column);
  if (problem.end_column) return { from, to: Math.max(from, offsetOf(text, problem.line, problem.end_column)) };
  const line = text.lineAt(from);
  const word = /^[^\s:,\]}#]+/.exec(line.text.slice(from - line.from))?.[0].length ?? 0;
  return { from, to: Math.min(line.to, from + Math.max(1, word)) };
}

export interface Mend {
  label: string;
  from: number;
  to: number;
  insert: string;
}

const MOST = 6;

/** What can be put there instead, by a click. */
export function mendsOf(text: Text, problem: Problem): Mend[] {
  const { fix } = problem;
  if (fix) {
    const from = offsetOf(text, fix.line, fix.column);
    const to = Math.max(from, offsetOf(text, fix.end_line, fix.end_column));
    const insert = fix.replacement;
    return [{ label: insert ? `Write ${cut(insert)}` : "Take it away", from, to, insert }];
  }
  if (!problem.line || !problem.end_column) return [];
  const range = rangeOf(text, problem);
  const choices = [...new Set([problem.suggestion, ...problem.allowed].filter((one): one is string => Boolean(one)))];
  if (problem.suggestion === null && choices.length > MOST) return [];
  return choices.slice(0, MOST).map((insert) => ({ label: `Write ${cut(insert)}`, ...range, insert }));
}

function cut(text: string): string {
  const line = text.trim().replace(/\s*\n\s*/g, " ⏎ ");
  return line.length > 40 ? `${line.slice(0, 38)}…` : line;
}

export function diagnosticsOf(text: Text, problems: readonly Problem[]): Diagnostic[] {
  return problems
    .filter((problem) => problem.line !== null)
    .map((problem) => ({
      ...rangeOf(text, problem),
      severity: problem.severity === "error" ? ("error" as const) : ("warning" as const),
      message: problem.message,
      actions: mendsOf(text, problem).map((mend) => ({
        name: mend.label,
        apply: (view: EditorView) => apply(view, mend),
      })),
    }))
    .sort((a, b) => a.from - b.from);
}

export function apply(view: EditorView, { from, to, insert }: Mend): void {
  view.dispatch({
    changes: { from, to, insert },
    selection: { anchor: from + insert.length },
    scrollIntoView: true,
    userEvent: "input",
  });
  view.focus();
}
