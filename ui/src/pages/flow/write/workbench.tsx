/** The text of a flow and, beside it, what it means: its drawing, what would change, what it would have done. */
import type { EditorView } from "@codemirror/view";
import { type ReactNode, useMemo, useRef, useState } from "react";
import { useFilters } from "@/app/go";
import { Tabs } from "@/design/overlays";
import { Empty, Loading, Strip } from "@/design/states";
import { type Diagram, FlowDiagram, stepsOf } from "@/diagram";
import { YamlEditor } from "@/editor";
import { Promise_ } from "../promise";
import { type Checked, useChecked, useSchema } from "./checked";
import { Problems } from "./problems";
import { Simulate } from "./simulate";
import css from "./write.module.css";

interface Props {
  text: string;
  onChange?: (text: string) => void;
  onSave?: () => void;
  readOnly?: boolean;
  label: string;
  tools: ReactNode;
  /** What else can be seen beside the text. */
  beside?: readonly { value: string; label: ReactNode; content: ReactNode }[];
}

export function Workbench({ text, onChange, onSave, readOnly, label, tools, beside = [] }: Props) {
  const [filters, setFilters] = useFilters();
  const { checked, fresh, error } = useChecked(text);
  const schema = useSchema();
  const [view, setView] = useState<EditorView | null>(null);
  const line = Number(filters.line) || null;
  const [goTo, setGoTo] = useState<{ line: number; column?: number } | null>(line ? { line } : null);
  const problems = checked?.problems ?? [];
  const meaning = {
    value: "drawing",
    label: "Drawing",
    content: <Meaning checked={checked} onLine={(at) => setGoTo({ line: at })} />,
  };
  const simulate = { value: "simulate", label: "Simulate", content: <Simulate text={text} ready={checked?.valid} /> };
  const tabs = [meaning, ...beside, simulate];
  const shown = tabs.some((tab) => tab.value === filters.beside) ? (filters.beside as string) : "drawing";
  return (
    <div className={css.bench}>
      <section className={css.text} aria-label={label}>
        <div className={css.tools}>{tools}</div>
        {error && <Strip tone="warn">It cannot be checked now: {error.message}</Strip>}
        <div className={css.editor}>
          <YamlEditor {...{ text, onChange, onSave, problems, schema, readOnly, label, goTo }} onView={setView} />
        </div>
        <Problems
          {...{ text, problems, fresh }}
          view={readOnly ? null : view}
          onGo={(at, column) => setGoTo({ line: at, column })}
        />
      </section>
      <section className={css.beside} aria-label="What it means">
        <Tabs
          label="What it means"
          value={shown}
          tabs={tabs}
          onChange={(value) => setFilters({ beside: value === "drawing" ? undefined : value })}
        />
      </section>
    </div>
  );
}

/** The drawing of what is written; while it is wrong, of what it was when it was last right. */
function Meaning({ checked, onLine }: { checked: Checked | undefined; onLine: (line: number) => void }) {
  const last = useRef<Checked | null>(null);
  const [selected, setSelected] = useState<string | null>(null);
  if (checked?.diagram) last.current = checked;
  const shown = last.current;
  const drawn = shown?.diagram as Diagram | null | undefined;
  const lines = useMemo(
    () => new Map(drawn ? [...stepsOf(drawn)].map(({ step }) => [step.path, step.line]) : []),
    [drawn],
  );
  if (!checked) return <Loading />;
  if (!shown || !drawn) {
    return <Empty title="There is nothing to draw yet">The drawing comes when the text is a flow.</Empty>;
  }
  const choose = (path: string) => {
    setSelected(path);
    const line = lines.get(path);
    if (line) onLine(line);
  };
  return (
    <div className={css.meaning}>
      {!checked.diagram && <Strip tone="warn">The text has errors: this is how it was before.</Strip>}
      <FlowDiagram diagram={drawn} selected={selected} onSelect={choose} height="min(56vh, 620px)" />
      <div className={css.promise}>
        <Promise_ flow={{ reads: shown.reads, sentence: shown.sentence ?? "" }} />
      </div>
    </div>
  );
}
