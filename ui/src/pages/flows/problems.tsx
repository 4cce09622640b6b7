/** What is wrong in the files of flows, with its place. A broken file leaves its flow as it was. */
import { useQuery } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { Section } from "@/design/page";
import { Status } from "@/design/status";
import { plural } from "@/format/text";
import css from "./flows.module.css";
import type { FlowRow } from "./states";

type Problem = Shapes["FileProblem"];

const SHOWN = 20;

export function FileProblems({ flows }: { flows: readonly FlowRow[] | undefined }) {
  const query = useQuery({
    queryKey: ["flows", "problems"],
    queryFn: () => data(api.GET("/api/v1/problems")),
    refetchInterval: 10_000,
  });
  useRefresh(["flow"], ["flows", "problems"]);
  const problems = query.data?.items ?? [];
  if (problems.length === 0) return null;
  const broken = problems.filter((problem) => problem.severity === "error").length;
  const title = broken > 0 ? plural(broken, "problem in files", "problems in files") : "Warnings in files";
  return (
    <Section title={title}>
      <ul className={css.problems}>
        {problems.slice(0, SHOWN).map((problem) => (
          <li key={`${problem.file}:${problem.line}:${problem.column}:${problem.message}`}>
            <Told problem={problem} flow={flows?.find((flow) => flow.file !== null && flow.file === problem.file)} />
          </li>
        ))}
        {problems.length > SHOWN && <li className="quiet">and {problems.length - SHOWN} more</li>}
      </ul>
    </Section>
  );
}

function Told({ problem, flow }: { problem: Problem; flow: FlowRow | undefined }) {
  const place = [problem.file, problem.line, problem.column].filter((part) => part != null).join(":");
  return (
    <>
      <Status value={problem.severity === "error" ? "error" : "warning"} bare />
      <span className={css.place}>
        {flow ? (
          <Go
            className="link"
            to={address(`/flows/${encodeURIComponent(flow.name)}`, { tab: "yaml", line: problem.line })}
          >
            {place}
          </Go>
        ) : (
          place
        )}
      </span>
      <span>
        {problem.message}
        {problem.suggestion && !problem.message.includes(problem.suggestion) && (
          <span className="quiet"> Did you mean {problem.suggestion}?</span>
        )}
      </span>
    </>
  );
}
