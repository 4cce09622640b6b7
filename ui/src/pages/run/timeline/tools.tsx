/** What can be done with the timeline, and what its drawing means. */
import { ChevronsDownUp, ChevronsUpDown, Maximize, Minus, Plus } from "lucide-react";
import { IconButton } from "@/design/button";
import { Check } from "@/design/fields";
import css from "./timeline.module.css";
import type { Hands } from "./use-view";

interface ToolsProps {
  hands: Hands;
  squeeze: { on: boolean; set: (on: boolean) => void } | null;
  onFold?: (folded: boolean) => void;
}

export function Tools({ hands, squeeze, onFold }: ToolsProps) {
  return (
    <div className={css.tools}>
      {squeeze && (
        <Check label="Squeeze waits" checked={squeeze.on} onChange={(event) => squeeze.set(event.target.checked)} />
      )}
      <span className={css.legend} aria-hidden>
        <i className={css.sample} /> works
        <i className={`${css.sample} ${css.sleep}`} /> waits
        <i className={`${css.sample} ${css.retry}`} /> until the next attempt
      </span>
      {onFold && (
        <>
          <IconButton label="Unfold all" onClick={() => onFold(false)}>
            <ChevronsUpDown aria-hidden />
          </IconButton>
          <IconButton label="Fold all" onClick={() => onFold(true)}>
            <ChevronsDownUp aria-hidden />
          </IconButton>
        </>
      )}
      <IconButton label="Nearer (w)" onClick={() => hands.zoom(true)}>
        <Plus aria-hidden />
      </IconButton>
      <IconButton label="Farther (s)" disabled={hands.fits} onClick={() => hands.zoom(false)}>
        <Minus aria-hidden />
      </IconButton>
      <IconButton label="All of it (0)" disabled={hands.fits} onClick={hands.fit}>
        <Maximize aria-hidden />
      </IconButton>
    </div>
  );
}
