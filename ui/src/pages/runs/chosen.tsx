/** What can be done with the runs that are chosen, or with all that the filter finds. */
import { Ban, CirclePause, Play, RotateCw } from "lucide-react";
import { useState } from "react";
import { Button } from "@/design/button";
import { plural } from "@/format/text";
import { Bulk, type Command, type Which } from "./bulk";
import type { RunQuery } from "./filters";
import css from "./runs.module.css";

const COMMANDS = [
  ["cancel", "Cancel", Ban],
  ["retry", "Retry", RotateCw],
  ["pause", "Pause", CirclePause],
  ["resume", "Resume", Play],
] as const;

interface ChosenProps {
  chosen: ReadonlySet<string>;
  query: RunQuery;
  /** How many the filter finds, in words. */
  found: string;
  onClear: () => void;
}

export function Chosen({ chosen, query, found, onClear }: ChosenProps) {
  const [all, setAll] = useState(false);
  const [command, setCommand] = useState<Command | null>(null);
  const filtered = Object.keys(query).length > 0;
  if (chosen.size === 0) return null;
  const which: Which = all ? { filter: query } : { ids: [...chosen] };
  return (
    <section className={css.chosen} aria-label="Chosen runs">
      <span>
        {all ? `All that match the filter${found ? ` (${found})` : ""}` : `${plural(chosen.size, "run")} chosen`}
      </span>
      {filtered && (
        <button type="button" className="link" onClick={() => setAll(!all)}>
          {all ? `Only the ${chosen.size} chosen` : "All that match the filter"}
        </button>
      )}
      <span className={css.commands}>
        {COMMANDS.map(([name, label, Icon]) => (
          <Button key={name} onClick={() => setCommand(name)}>
            <Icon aria-hidden /> {label} …
          </Button>
        ))}
        <Button look="plain" onClick={onClear}>
          Choose none
        </Button>
      </span>
      {command && <Bulk command={command} which={which} onClose={() => setCommand(null)} />}
    </section>
  );
}
