/** The places that one can go to, with how much waits for a person in each. */
import { count, plural } from "@/format/text";
import { useFigures } from "./figures";
import { Go } from "./go";
import { useMay } from "./me";
import { PLACES, type Place } from "./pages";
import { isAt } from "./places";
import css from "./shell.module.css";

interface Waiting {
  many: number;
  says: string;
  tone: "bad" | "warn";
}

export function Side({ open, path }: { open: boolean; path: string }) {
  const admin = useMay("admin");
  const waiting = useWaiting();
  return (
    <nav className={css.side} data-open={open} aria-label="Pages">
      <Go to="/" className={css.brand}>
        <img src="/ui/favicon.svg" alt="" />
        Reactor
      </Go>
      {PLACES.map((group) => (
        <div key={group[0]?.to} className={css.group}>
          {group
            .filter((place) => admin || !place.admin)
            .map((place) => (
              <PlaceLink key={place.to} place={place} here={isAt(path, place.to)} waiting={waiting[place.to]} />
            ))}
        </div>
      ))}
    </nav>
  );
}

function PlaceLink({ place, here, waiting }: { place: Place; here: boolean; waiting?: Waiting }) {
  const { to, name, icon: Icon } = place;
  return (
    <Go to={to} className={css.place} aria-current={here ? "page" : undefined} title={`g ${place.key}`}>
      <Icon aria-hidden />
      {name}
      {waiting && waiting.many > 0 && (
        <span className={css.count} data-tone={waiting.tone}>
          <span aria-hidden>{count(waiting.many)}</span>
          <span className="unseen">{waiting.says}</span>
        </span>
      )}
    </Go>
  );
}

function useWaiting(): Record<string, Waiting> {
  const figures = useFigures().data;
  if (!figures) return {};
  const failed = figures.triggers.failed ?? 0;
  return {
    "/triggers": { many: failed, says: `${plural(failed, "trigger")} failed`, tone: "bad" },
    "/approvals": { many: figures.approvals, says: `${plural(figures.approvals, "question")} open`, tone: "warn" },
    "/alerts": { many: figures.alerts, says: `${plural(figures.alerts, "alert")} firing`, tone: "bad" },
    "/dead-letters": { many: figures.letters, says: `${plural(figures.letters, "dead letter")}`, tone: "warn" },
  };
}
