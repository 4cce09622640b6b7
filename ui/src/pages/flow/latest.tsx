/** The newest runs of a flow, as they come. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { Section } from "@/design/page";
import { Empty, Shown } from "@/design/states";
import { Status } from "@/design/status";
import { Time } from "@/design/time";
import { Took } from "@/pages/runs/columns";
import css from "./flow.module.css";
import type { FlowWhole } from "./types";

const MOST = 8;

export function Latest({ flow }: { flow: FlowWhole }) {
  const { name } = flow;
  const key = ["runs", "latest", name];
  useRefresh(["run"], key, { only: (said) => said.flow === name });
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => data(api.GET("/api/v1/runs", { params: { query: { flow: name, limit: MOST } }, signal })),
  });
  const all = (
    <Go className="link" to={address("/runs", { flow: name })}>
      All runs
    </Go>
  );
  return (
    <Section title="Latest runs" tools={all}>
      <Shown value={query.data?.items} error={query.error} again={() => void query.refetch()}>
        {(runs) =>
          runs.length === 0 ? (
            <Empty title="It has not run yet">Send an event that fits, or run it now.</Empty>
          ) : (
            <ul className={css.latest}>
              {runs.map((run) => (
                <li key={run.id}>
                  <Go to={`/runs/${encodeURIComponent(run.id)}`} title={run.error?.message ?? run.id}>
                    <Status value={run.status} bare />
                    {/* The end of an id is what tells runs of one flow apart. */}
                    <span className="mono">…{run.id.slice(-7)}</span>
                    <Took run={run} />
                    <Time at={run.created_at} />
                  </Go>
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}
