/** A field for JSON, with what is wrong marked in place. It comes lazily: `lazy(() => import("@/design/json-editor"))`. */
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { linter, lintGutter } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { basicSetup } from "codemirror";
import { getNonce } from "get-nonce";
import { useEffect, useRef } from "react";
import css from "./json-editor.module.css";

interface EditorProps {
  label: string;
  text: string;
  onChange: (text: string) => void;
}

/** What is wrong with a text as JSON; undefined: nothing. */
export function wrongJson(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export default function JsonEditor({ label, text, onChange }: EditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const tell = useRef(onChange);
  tell.current = onChange;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text is what it begins with; then it is its own
  useEffect(() => {
    if (!place.current) return;
    const view = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          basicSetup,
          json(),
          linter(jsonParseLinter(), { delay: 200 }),
          lintGutter(),
          EditorView.lineWrapping,
          EditorView.cspNonce.of(getNonce() ?? ""),
          EditorView.contentAttributes.of({ "aria-label": label }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) tell.current(update.state.doc.toString());
          }),
        ],
      }),
    });
    return () => view.destroy();
  }, [label]);
  return <div ref={place} className={css.editor} />;
}
