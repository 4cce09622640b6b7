/** One event: what it says, where it came from, what each flow made of it and why. */
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { Id, Json } from "@/design/data";
import { Facts, Page, Section } from "@/design/page";
import { Loading, Shown } from "@/design/states";
import { Time } from "@/design/time";
import { plural } from "@/format/text";
import { EventActions } from "./actions";
import css from "./event.module.css";
import { StartedRuns } from "./started";
import { Verdicts } from "./verdicts";
import { WaitingRuns } from "./waiting";

type Whole = Shapes["EventWhole"];
type Explained = Shapes["EventExplained"];

export default function EventPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const path = { id };
  const whole = useQuery({
    queryKey: ["event", id],
    queryFn: ({ signal }) => data(api.GET("/api/v1/events/{id}", { params: { path }, signal })),
  });
  const why = useQuery({
    queryKey: ["event-why", id],
    queryFn: ({ signal }) => data(api.GET("/api/v1/explain/event/{id}", { params: { path }, signal })),
  });
  // A run that waits, or is queued, may go on; a flow that changes is told as it is now.
  useRefresh(["run", "flow"], ["event-why", id], { every: 2_000 });
  const event = whole.data;
  return (
    <Page
      title={event?.type ?? "Event"}
      says={event && <Says event={event} why={why.data} />}
      actions={event && <EventActions event={event} flows={why.data?.flows} />}
    >
      <Shown value={event} error={whole.error} again={() => void whole.refetch()}>
        {(found) => (
          <div className={css.columns}>
            <div className={css.side}>
              <Shown
                value={why.data}
                error={why.error}
                again={() => void why.refetch()}
                loading={<Loading lines={8} />}
              >
                {(explained) => (
                  <>
                    <Verdicts verdicts={explained.flows} />
                    <WaitingRuns rows={explained.waiting} more={explained.waiting_more} />
                  </>
                )}
              </Shown>
            </div>
            <Side event={found} started={Boolean(why.data?.flows.some((one) => one.started))} />
          </div>
        )}
      </Shown>
    </Page>
  );
}

function Says({ event, why }: { event: Whole; why: Explained | undefined }) {
  const started = why?.flows.filter((one) => one.started).length ?? 0;
  return (
    <>
      Came <Time at={event.time} /> from <bdi>{event.source}</bdi>
      {event.subject && (
        <>
          {" about "}
          <bdi>{event.subject}</bdi>
        </>
      )}
      {why && (
        <>
          {" and started "}
          {started ? (
            <Go to={address("/runs", { event: event.id })} className="link">
              {plural(started, "run")}
            </Go>
          ) : (
            "nothing"
          )}
        </>
      )}
      .
    </>
  );
}

function Side({ event, started }: { event: Whole; started: boolean }) {
  return (
    <div className={css.side}>
      {started && <StartedRuns event={event.id} />}
      <Section title="Data">
        <Json value={event.data} label="Data of the event" />
      </Section>
      <Section title="About it" padded>
        <Facts items={factsOf(event)} />
      </Section>
      <Section title="Metadata">
        <Json value={event.metadata} label="Metadata of the event" />
      </Section>
      {event.causes.length > 0 && <Causes ids={event.causes} />}
    </div>
  );
}

function factsOf(event: Whole) {
  const facts: (readonly [string, React.ReactNode])[] = [
    ["Id", <Id key="id" id={event.id} />],
    ["Came", <Time key="time" at={event.time} exact />],
    ["Source", <Same key="source" name="source" value={event.source} />],
    ["Subject", event.subject ? <Same key="subject" name="subject" value={event.subject} /> : "none"],
    ["Type", <Same key="type" name="type" value={event.type} />],
  ];
  if (event.source_id !== event.id) facts.splice(1, 0, ["Id at its source", <Id key="sid" id={event.source_id} />]);
  if (event.to.length > 0) facts.push(["Sent to", event.to.join(", ")]);
  return facts;
}

/** Leads to all events that have this in common. */
function Same({ name, value }: { name: string; value: string }) {
  return (
    <Go to={address("/events", { [name]: value })} className="link">
      {value}
    </Go>
  );
}

/** The chain that led here, the first cause first. */
function Causes({ ids }: { ids: readonly string[] }) {
  return (
    <Section title="What led to it" padded>
      <ol>
        {ids.map((id) => (
          <li key={id}>
            <Id id={id}>
              <Go to={`/events/${encodeURIComponent(id)}`} className="link">
                {id}
              </Go>
            </Id>
          </li>
        ))}
      </ol>
    </Section>
  );
}
