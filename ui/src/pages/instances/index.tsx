/** The processes that share the store: what they are, how they are, and why one is not ready. */
import { useQuery } from "@tanstack/react-query";
import { Server } from "lucide-react";
import { api, data, type Shapes } from "@/api/client";
import { Go } from "@/app/go";
import { Facts, Page, Section } from "@/design/page";
import { Empty, Shown, Strip } from "@/design/states";
import { Status } from "@/design/status";
import { Time } from "@/design/time";
import { bytes, count, plural, span } from "@/format/text";

type Instance = Shapes["Instance"];

export default function InstancesPage() {
  const list = useQuery({
    queryKey: ["instances"],
    queryFn: () => data(api.GET("/api/v1/instances")),
    refetchInterval: 5_000,
  });
  return (
    <Page title="Instances" says="The processes of Reactor that share this store. Figures are of the last seconds.">
      <Shown value={list.data} error={list.error} again={() => void list.refetch()}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No instance is here" icon={Server} />
          ) : (
            items.map((one) => <One key={`${one.host} ${one.pid}`} one={one} />)
          )
        }
      </Shown>
    </Page>
  );
}

function One({ one }: { one: Instance }) {
  return (
    <Section
      title={`${one.host}, process ${one.pid}`}
      tools={<Status value={one.ready ? "ok" : "failed"} label={one.ready ? "ready" : "not ready"} />}
      padded
    >
      {one.reasons.map((reason) => (
        <Strip key={reason} tone="bad">
          {reason}
        </Strip>
      ))}
      {one.trouble && <Strip tone="bad">The store cannot write: {one.trouble}</Strip>}
      <Facts items={[...about(one), ...uses(one), ...holds(one)]} />
    </Section>
  );
}

function known<T>(value: T | null, words: (value: T) => string): string {
  return value === null ? "–" : words(value);
}

type Items = (readonly [string, React.ReactNode])[];

function about(one: Instance): Items {
  return [
    ["Version", one.version],
    ["Started", <Time key="started" at={one.started_at} />],
    [
      "Address",
      <span key="url" className="mono">
        {one.url}
      </span>,
    ],
    ["Number", one.id],
  ];
}

function uses(one: Instance): Items {
  const share = (value: number) => `${Math.round(value)} %`;
  const part = (free: number | null, all: number | null) =>
    free === null ? "–" : `${bytes(free)}${all ? ` of ${bytes(all)}` : ""}`;
  return [
    ["CPU, of one core", known(one.cpu, share)],
    ["CPU of the machine", `${known(one.machine_cpu, share)} of ${plural(one.cpus, "core")}`],
    ["Memory", known(one.memory, bytes)],
    ["Memory left on the machine", part(one.machine_memory, one.machine_memory_size)],
    ["Disk left", part(one.disk_free, one.disk_size)],
    ["Store", known(one.store, bytes)],
    ["Event loop was late by", known(one.delay, span)],
  ];
}

function holds(one: Instance): Items {
  const states = Object.entries(one.triggers).filter(([, number]) => number > 0);
  return [
    [
      "Runs in memory",
      <Go key="live" className="counted" to="/runs?status=pending,running">
        {count(one.live)}
      </Go>,
    ],
    [
      "Runs that wait",
      <Go key="waiting" className="counted" to="/runs?status=waiting">
        {known(one.waiting, count)}
      </Go>,
    ],
    ["Held by flow control", count(one.held)],
    ["Events to write", count(one.queued)],
    [
      "Triggers",
      states.length === 0
        ? "none"
        : states.map(([state, number], n) => (
            <span key={state}>
              {n > 0 && ", "}
              <Go className="counted" to={`/triggers?state=${state}`}>
                {count(number)} {state}
              </Go>
            </span>
          )),
    ],
  ];
}
