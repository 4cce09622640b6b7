/** What is wrong in a text, as a list below it: a click goes there, another one mends it. */
import { EditorState } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import { useMemo } from "react";
import { Button } from "@/design/button";
import { Status } from "@/design/status";
import { apply, mendsOf, type Problem } from "@/editor/problems";
import { plural } from "@/format/text";
import css from "./write.module.css";

const SHOWN = 50;

export function Problems({
  text,
  problems,
  view,
  fresh,
  onGo,
}: {
  text: string;
  problems: readonly Problem[];
  view: EditorView | null;
  fresh: boolean;
  onGo: (line: number, column: number) => void;
}) {
  const doc = useMemo(() => EditorState.create({ doc: text }).doc, [text]);
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const words = errors ? plural(errors, "error") : problems.length ? plural(problems.length, "warning") : "No problems";
  return (
    <section className={css.problems} aria-label="Problems">
      <p className={css.count} role="status" aria-live="polite">
        {fresh ? words : "Checking …"}
      </p>
      <ul>
        {problems.slice(0, SHOWN).map((problem) => (
          <li key={`${problem.line}:${problem.column}:${problem.rule}:${problem.message}`}>
            <Status value={problem.severity === "error" ? "error" : "warning"} bare label=" " />
            <button type="button" className={css.at} onClick={() => onGo(problem.line ?? 1, problem.column ?? 1)}>
              {problem.line ? `${problem.line}:${problem.column ?? 1}` : "–"}
            </button>
            <span className={css.says}>
              <span className="unseen">{problem.severity}: </span>
              {problem.message}
            </span>
            {view &&
              fresh &&
              mendsOf(doc, problem).map((mend) => (
                <Button key={mend.label} onClick={() => apply(view, mend)}>
                  {mend.label}
                </Button>
              ))}
          </li>
        ))}
        {problems.length > SHOWN && <li className="quiet">and {problems.length - SHOWN} more</li>}
      </ul>
    </section>
  );
}
