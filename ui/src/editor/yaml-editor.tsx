/** The editor of flows. It comes lazily: `@/editor` has it. */
import { indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { basicSetup } from "codemirror";
import { useEffect, useRef } from "react";
import { assisted } from "./assist";
import css from "./editor.module.css";
import { diagnosticsOf, offsetOf, type Problem } from "./problems";
import type { Schema } from "./schema";
import { looks } from "./theme";

export interface YamlEditorProps {
  /** What stands in it. Another text than the last one that was told replaces what is there. */
  text: string;
  onChange?: (text: string) => void;
  onSave?: () => void;
  problems?: readonly Problem[];
  schema?: Schema;
  readOnly?: boolean;
  label: string;
  /** The line to go to; a new object goes there again. */
  goTo?: { line: number; column?: number } | null;
  /** The editor itself, for what mends its text. */
  onView?: (view: EditorView | null) => void;
}

export default function YamlEditor(props: YamlEditorProps) {
  const { text, problems, goTo, readOnly = false, label } = props;
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const now = useRef(props);
  now.current = props;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the editor is made once; what changes is given to it below
  useEffect(() => {
    if (!place.current) return;
    const made = new EditorView({ parent: place.current, state: stateOf(text, readOnly, label, now) });
    view.current = made;
    now.current.onView?.(made);
    return () => {
      now.current.onView?.(null);
      made.destroy();
    };
  }, [readOnly, label]);
  useEffect(() => {
    const there = view.current;
    if (!there || there.state.doc.toString() === text) return;
    there.dispatch({ changes: { from: 0, to: there.state.doc.length, insert: text } });
  }, [text]);
  useEffect(() => {
    const there = view.current;
    if (there) there.dispatch(setDiagnostics(there.state, diagnosticsOf(there.state.doc, problems ?? [])));
  }, [problems]);
  useEffect(() => {
    const there = view.current;
    if (!there || !goTo) return;
    const anchor = offsetOf(there.state.doc, goTo.line, goTo.column ?? 1);
    there.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
    there.focus();
  }, [goTo]);
  return <div ref={place} className={css.editor} />;
}

function stateOf(text: string, readOnly: boolean, label: string, now: { current: YamlEditorProps }): EditorState {
  const save = () => {
    now.current.onSave?.();
    return true;
  };
  return EditorState.create({
    doc: text,
    extensions: [
      Prec.highest(keymap.of([{ key: "Mod-s", run: save, preventDefault: true }])),
      basicSetup,
      lintGutter(),
      keymap.of([indentWithTab]),
      yaml(),
      looks({ readOnly, label }),
      ...(readOnly ? [] : [assisted(() => now.current.schema)]),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) now.current.onChange?.(update.state.doc.toString());
      }),
    ],
  });
}
