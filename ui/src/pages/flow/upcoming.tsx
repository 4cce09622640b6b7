/** When a trigger that goes by the clock fires next. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { Section } from "@/design/page";
import { Shown } from "@/design/states";
import { Time } from "@/design/time";
import css from "./flow.module.css";
import type { FlowWhole, Trigger } from "./types";

export function Upcoming({ flow }: { flow: FlowWhole }) {
  if (!flow.enabled) return null;
  return flow.triggers
    .filter((trigger) => trigger.next_at !== null)
    .map((trigger) => <Next key={trigger.key} trigger={trigger} />);
}

function Next({ trigger }: { trigger: Trigger }) {
  const [flow = "", index = ""] = [trigger.flow, trigger.key.slice(trigger.flow.length + 1)];
  const query = useQuery({
    queryKey: ["triggers", "upcoming", trigger.key, trigger.next_at],
    queryFn: ({ signal }) =>
      data(api.GET("/api/v1/triggers/{flow}/{index}/upcoming", { params: { path: { flow, index } }, signal })),
  });
  return (
    <Section title={`Next: ${trigger.says || trigger.key}`}>
      <Shown value={query.data?.times} error={query.error} again={() => void query.refetch()}>
        {(times) => (
          <ol className={css.plainList}>
            {times.map((at) => (
              <li key={at}>
                <Time at={at} exact />{" "}
                <span className="quiet">
                  <Time at={at} />
                </span>
              </li>
            ))}
          </ol>
        )}
      </Shown>
    </Section>
  );
}
