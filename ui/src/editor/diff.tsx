/** Two texts beside each other, what is the same folded; on a phone below each other. */
import { yaml } from "@codemirror/lang-yaml";
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { basicSetup } from "codemirror";
import { useEffect, useRef } from "react";
import css from "./editor.module.css";
import { looks } from "./theme";

export interface TextDiffProps {
  before: string;
  after: string;
  labels: readonly [string, string];
  /** The later text can be changed, and parts of the earlier one taken over. */
  onChange?: (text: string) => void;
}

const FOLDED = { margin: 3, minSize: 6 };

export default function TextDiff({ before, after, labels, onChange }: TextDiffProps) {
  const place = useRef<HTMLDivElement>(null);
  const told = useRef(onChange);
  told.current = onChange;
  const editable = onChange !== undefined;
  const [earlier, later] = labels;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `after` is where it begins; what is written there is told
  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    const common = [basicSetup, yaml()];
    const change = EditorView.updateListener.of((update) => {
      if (update.docChanged) told.current?.(update.state.doc.toString());
    });
    const last = [...common, looks({ readOnly: !editable, label: later }), change];
    if (parent.clientWidth < 700) {
      const merge = unifiedMergeView({ original: before, mergeControls: editable, collapseUnchanged: FOLDED });
      const view = new EditorView({ parent, state: EditorState.create({ doc: after, extensions: [...last, merge] }) });
      return () => view.destroy();
    }
    const first = [...common, looks({ readOnly: true, label: earlier })];
    const view = new MergeView({
      parent,
      a: { doc: before, extensions: first },
      b: { doc: after, extensions: last },
      collapseUnchanged: FOLDED,
      ...(editable ? { revertControls: "a-to-b" as const } : {}),
    });
    return () => view.destroy();
  }, [before, editable, earlier, later, editable ? "" : after]);
  return (
    <div className={css.diff}>
      <div className={css.sides} aria-hidden>
        <span>{earlier}</span>
        <span>{later}</span>
      </div>
      <div ref={place} className={css.merge} />
    </div>
  );
}
