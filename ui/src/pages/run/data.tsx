/** What the run was begun with, and what it gave. */
import { Go } from "@/app/go";
import { Section } from "@/design/page";
import { Shown, Strip } from "@/design/states";
import { type RunWhole, useEvent } from "./queries";
import css from "./run.module.css";
import { Value } from "./value";

export function Data({ run }: { run: RunWhole }) {
  const event = useEvent(run.event_id);
  return (
    <div className={css.columns}>
      <Section title="Event">
        {run.event_id ? (
          <Shown value={event.data} error={event.error} again={() => void event.refetch()}>
            {(found) => (
              <>
                <p className={css.panelPart}>
                  <Go to={`/events/${found.id}`} className="link mono">
                    {found.type}
                  </Go>{" "}
                  <span className="quiet">from {found.source}</span>
                </p>
                <Value title="Data" value={found.data} name={`${run.id}.event`} open={3} />
                {Object.keys(found.metadata).length > 0 && (
                  <Value title="Metadata" value={found.metadata} name={`${run.id}.metadata`} open={1} />
                )}
              </>
            )}
          </Shown>
        ) : (
          <div className={css.panelPart}>
            <Strip tone="idle">This run was not begun by an event.</Strip>
          </div>
        )}
      </Section>
      <Section title="Inputs and output">
        <Value title="Inputs" value={run.inputs} name={`${run.id}.inputs`} open={3} />
        <Value title="Output" value={run.output} name={`${run.id}.output`} open={3} />
      </Section>
    </div>
  );
}
