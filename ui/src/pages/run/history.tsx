/** What was done to the run as a whole, and its changes to other versions. */
import { Section } from "@/design/page";
import { Empty, Shown } from "@/design/states";
import { Time } from "@/design/time";
import { isOver, type RunWhole, useTimeline } from "./queries";
import css from "./run.module.css";

const WORDS: Record<string, string> = {
  cancel: "Somebody asked to cancel it",
  retry: "It was retried",
  paused: "It was paused",
  resumed: "It was told to go on",
  migrated: "It changed over",
};

export function History({ run }: { run: RunWhole }) {
  const line = useTimeline(run.id, !isOver(run));
  return (
    <Section title="What was done to it">
      <Shown value={line.data} error={line.error} again={() => void line.refetch()}>
        {(found) => {
          const events = [
            { at: Date.parse(run.created_at), text: "It was made" },
            ...(run.started_at ? [{ at: Date.parse(run.started_at), text: "It began" }] : []),
            ...found.marks.map((mark) => ({
              at: mark.at,
              text: [WORDS[mark.kind] ?? mark.kind, mark.text].filter(Boolean).join(": "),
            })),
            ...(run.finished_at ? [{ at: Date.parse(run.finished_at), text: `It ended: ${run.status}` }] : []),
          ].sort((a, b) => a.at - b.at);
          return events.length === 0 ? (
            <Empty title="Nothing yet" />
          ) : (
            <ol className={css.history}>
              {events.map((one) => (
                <li key={`${one.at} ${one.text}`}>
                  <Time at={new Date(one.at).toISOString()} exact />
                  <span>{one.text}</span>
                </li>
              ))}
            </ol>
          );
        }}
      </Shown>
      {run.migrations.length > 0 && <Migrations run={run} />}
    </Section>
  );
}

function Migrations({ run }: { run: RunWhole }) {
  const renamed = run.migrations.filter((one) => Object.keys(one.map).length > 0 || one.forced.length > 0);
  if (renamed.length === 0) return null;
  return (
    <ul className={css.history}>
      {renamed.map((one) => (
        <li key={one.at}>
          <Time at={one.at} exact />
          <span>
            version {one.from} to {one.to}
            {Object.entries(one.map).map(([old, now]) => (
              <span key={old} className="mono">
                {" "}
                {old} → {now}
              </span>
            ))}
            {one.forced.length > 0 && <span> · need not fit: {one.forced.join(", ")}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}
