/** The flow in plain English, line by line. Lines about a step lead to it. */
import { useState } from "react";
import { Go, useFilters } from "@/app/go";
import { unturned } from "@/format/text";
import css from "./flow.module.css";
import type { FlowWhole } from "./types";

const MOST = 40;

export function Promise_({ flow }: { flow: Pick<FlowWhole, "reads" | "sentence"> }) {
  const [, setFilters] = useFilters();
  const [whole, setWhole] = useState(false);
  if (flow.reads.length === 0) return <p>{flow.sentence}</p>;
  const shown = whole ? flow.reads : flow.reads.slice(0, MOST);
  return (
    <div className={css.promise}>
      {shown.map(({ text, depth, path }, n) => {
        const style = { paddingLeft: depth * 18 };
        return path ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of a text have no other identity
          <button key={n} type="button" style={style} onClick={() => setFilters({ step: path })}>
            {unturned(text)}
          </button>
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of a text have no other identity
          <p key={n} style={style}>
            {unturned(text)}
          </p>
        );
      })}
      {flow.reads.length > MOST && !whole && (
        <button type="button" className="link" onClick={() => setWhole(true)}>
          {flow.reads.length - MOST} more lines
        </button>
      )}
    </div>
  );
}

export function FlowLink({ name }: { name: string }) {
  return (
    <Go className="link" to={`/flows/${encodeURIComponent(name)}`}>
      {name}
    </Go>
  );
}
