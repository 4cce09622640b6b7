/** Why a run has failed, or what keeps it from going on: in the words of `explain`, with links to what blocks. */
import {
  Bot,
  CircleAlert,
  Clock,
  GitBranch,
  Hourglass,
  type LucideIcon,
  Pause,
  RotateCw,
  UserCheck,
} from "lucide-react";
import { Go } from "@/app/go";
import { shortId } from "@/design/data";
import { Strip } from "@/design/states";
import { toneClass } from "@/design/status";
import { Time } from "@/design/time";
import { clock } from "@/format/text";
import { type Explained, type RunWhole, useExplained } from "./queries";
import css from "./run.module.css";
import { Signal } from "./signal";

type Blocker = Explained["blockers"][number];

const ICONS: Record<string, LucideIcon> = {
  timer: Clock,
  event: Hourglass,
  approval: UserCheck,
  child: GitBranch,
  retry: RotateCw,
  action: Bot,
  person: Pause,
  paused: Pause,
  held: Pause,
};

interface WaitingProps {
  run: RunWhole;
  live: boolean;
  onSelect: (path: string) => void;
}

export function Waiting({ run, live, onSelect }: WaitingProps) {
  const explained = useExplained(run.id, live);
  if (!live) return run.error ? <Failed run={run} onSelect={onSelect} /> : null;
  const found = explained.data;
  if (!found) return explained.error ? <Strip tone="warn">{explained.error.message}</Strip> : null;
  if (found.blockers.length === 0) return <Strip tone="busy">{plain(found.explanation)}</Strip>;
  return (
    <section className={css.waiting} aria-label="What it waits for">
      {found.blockers.slice(0, 8).map((one, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blockers have no identity but their place
        <BlockerLine key={n} one={one} run={run.id} flow={run.flow} onSelect={onSelect} />
      ))}
      {found.blockers.length > 8 && <p className="quiet">and {found.blockers.length - 8} more</p>}
    </section>
  );
}

const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

/** In the reader's own time; the command line's advice is not for this page: its buttons are. */
function plain(text: string): string {
  const words = text.replace(/; `reactor [^`]*`[^;.]*/g, "").replace(/, `reactor [^`]*`[^,;.]*/g, "");
  return words.replace(TIME, (at) => clock(at, Date.now()));
}

interface LineProps {
  one: Blocker;
  run: string;
  flow: string;
  onSelect: (path: string) => void;
}

function BlockerLine({ one, run, flow, onSelect }: LineProps) {
  const Icon = ICONS[one.kind] ?? CircleAlert;
  const tone = one.kind === "action" ? "busy" : one.kind === "store" || one.kind === "unreadable" ? "bad" : "warn";
  return (
    <div className={`${css.blocker} ${toneClass(tone)}`}>
      <Icon aria-hidden />
      <div>
        <p>
          {plain(one.reason)}
          {one.until && (
            <span className="quiet">
              {" "}
              (<Time at={one.until} />)
            </span>
          )}
        </p>
        <Leads one={one} run={run} flow={flow} onSelect={onSelect} />
      </div>
    </div>
  );
}

/** Where to look, or what to do about it. */
function Leads({ one, run, flow, onSelect }: LineProps) {
  const { details, path } = one;
  const child = details.run as { id: string; status: string; explanation: string } | null | undefined;
  const type = details.type as unknown;
  const runs = Array.isArray(details.runs) ? (details.runs as string[]).slice(0, 5) : [];
  return (
    <p className={css.leads}>
      {path && (
        <button type="button" className="link" onClick={() => onSelect(path)}>
          Show the step
        </button>
      )}
      {one.kind === "approval" && (
        <Go to={`/approvals?id=${encodeURIComponent(String(details.id))}`} className="link">
          Decide
        </Go>
      )}
      {child && (
        <>
          <Go to={`/runs/${child.id}`} className="link">
            {shortId(child.id)}
          </Go>
          <span className="quiet">
            is {child.status}: {plain(child.explanation)}
          </span>
        </>
      )}
      {runs.map((id) => (
        <Go key={id} to={`/runs/${id}`} className="link mono">
          {shortId(id)}
        </Go>
      ))}
      {(one.kind === "concurrency" || one.kind === "throttle") && (
        <Go to={`/runs?flow=${encodeURIComponent(flow)}&status=running,waiting`} className="link">
          Runs under way
        </Go>
      )}
      {one.kind === "event" && typeof type === "string" && <Signal run={run} type={type} />}
      {one.kind === "event" && typeof type === "string" && !type.includes("*") && (
        <Go to={`/events?type=${encodeURIComponent(type)}`} className="link">
          Events of this type
        </Go>
      )}
    </p>
  );
}

function Failed({ run, onSelect }: { run: RunWhole; onSelect: (path: string) => void }) {
  const error = run.error;
  if (!error) return null;
  return (
    <section className={css.waiting} aria-label="Why it ended">
      <div className={`${css.blocker} ${toneClass(run.status === "failed" ? "bad" : "idle")}`}>
        <CircleAlert aria-hidden />
        <div>
          <p>
            <b className="mono">{error.kind}</b> {error.message.slice(0, 2_000)}
          </p>
          {error.step && (
            <p className={css.leads}>
              <button type="button" className="link" onClick={() => onSelect(error.step ?? "")}>
                Show the step {error.step}
              </button>
            </p>
          )}
        </div>
      </div>
    </section>
  );
}
