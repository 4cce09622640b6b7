/** One lane: its name at the left, its bars at the right. */
import { ChevronDown, ChevronRight } from "lucide-react";
import { Status } from "@/design/status";
import { count, span } from "@/format/text";
import { Bars, type Place } from "./bars";
import css from "./timeline.module.css";
import type { Node, Row } from "./tree";
import type { Hands } from "./use-view";

interface LaneRowProps {
  row: Row;
  place: Place;
  from: number;
  now: number;
  top: number;
  active: boolean;
  selected: boolean;
  onSelect: (path: string) => void;
  fold: (path: string, folded: boolean) => void;
  drag: Hands["drag"];
}

export function LaneRow({ row, place, from, now, top, active, selected, onSelect, fold, drag }: LaneRowProps) {
  const { node, depth, open } = row;
  const folds = node.children.length > 0;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: keys are those of the tree around
    // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus and says which lane is active
    <div
      id={`lane-${node.path}`}
      role="treeitem"
      className={css.row}
      style={{ transform: `translateY(${top}px)` }}
      aria-level={depth + 1}
      aria-expanded={folds ? open : undefined}
      aria-selected={selected}
      data-active={active}
      onClick={() => onSelect(node.path)}
    >
      <span className={css.name} style={{ paddingLeft: 8 + Math.min(depth, 12) * 14 }}>
        {folds ? (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the arrow keys do it
          // biome-ignore lint/a11y/noStaticElementInteractions: it is the mark of the tree's own item
          <span
            className={css.fold}
            onClick={(event) => {
              event.stopPropagation();
              fold(node.path, open);
            }}
          >
            {open ? <ChevronDown aria-hidden /> : <ChevronRight aria-hidden />}
          </span>
        ) : (
          <span className={css.fold} />
        )}
        <Status value={node.status} bare label=" " />
        <span className={css.text} title={node.path} data-kind={node.kind}>
          {node.name}
        </span>
        <span className="unseen">, {node.status}, </span>
        <Counted node={node} open={open} />
        <span className={css.took}>{took(node, from, now)}</span>
      </span>
      <span className={css.lane} aria-hidden {...drag}>
        <Bars {...{ node, place, from, now }} />
      </span>
    </div>
  );
}

/** What is folded away, in numbers. */
function Counted({ node, open }: { node: Node; open: boolean }) {
  const attempts = node.lane?.attempts ?? 0;
  if (node.children.length > 0 && !open) {
    return (
      <span className={css.counted}>
        {count(node.children.length)}
        <span className="unseen"> inside, </span>
        {node.failed > 0 && <b> {count(node.failed)} failed</b>}
      </span>
    );
  }
  return attempts > 1 ? <span className={css.counted}>×{attempts}</span> : null;
}

function took(node: Node, from: number, now: number): string {
  if (node.start === null || node.status === "skipped" || (node.end !== null && node.end < from)) return "";
  return span((node.end ?? now) - node.start);
}
