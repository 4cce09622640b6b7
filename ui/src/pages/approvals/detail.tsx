/** One question to people: who is asked, who has decided, what they have to fill in, and the decision. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { Go } from "@/app/go";
import { Button } from "@/design/button";
import { Json } from "@/design/data";
import { Dialog } from "@/design/overlays";
import { Facts } from "@/design/page";
import { Failure, Loading } from "@/design/states";
import { Status } from "@/design/status";
import { Time } from "@/design/time";
import { plural } from "@/format/text";
import { type Approval, afterwards, approvedBy, standing } from "./approvals";
import css from "./approvals.module.css";
import { Decide } from "./decide";

export function ApprovalDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const path = { id };
  const found = useQuery({
    queryKey: ["approval", id],
    queryFn: ({ signal }) => data(api.GET("/api/v1/approvals/{id}", { params: { path }, signal })),
  });
  useRefresh(["event", "run"], ["approval", id], { every: 1_000 });
  const one = found.data;
  return (
    <Dialog wide open onOpen={(open) => !open && onClose()} title={one ? clipped(one.title) : "Approval"}>
      {!one && (found.error ? <Failure error={found.error} /> : <Loading lines={4} />)}
      {one && (
        <>
          {one.title.length > LONGEST && <p className={css.whole}>{one.title}</p>}
          <Facts items={factsOf(one)} />
          <Decisions one={one} />
          {one.open && !isDecided(one) ? <Decide one={one} onClose={onClose} /> : <Foot onClose={onClose} one={one} />}
        </>
      )}
    </Dialog>
  );
}

const LONGEST = 240;

function clipped(title: string): string {
  return title.length > LONGEST ? `${title.slice(0, LONGEST)}…` : title;
}

function isDecided(one: Approval): boolean {
  return standing(one)[0] !== "waiting";
}

function Foot({ one, onClose }: { one: Approval; onClose: () => void }) {
  const [value, label] = standing(one);
  return (
    <div className={css.foot}>
      <Status value={value} label={label} />
      <Button onClick={onClose}>Close</Button>
    </div>
  );
}

function factsOf(one: Approval) {
  const facts: (readonly [string, React.ReactNode])[] = [
    [
      "Run",
      <Go key="run" to={`/runs/${one.run_id}`} className="link">
        {one.flow}
      </Go>,
    ],
    [
      "Step",
      <span key="step" className="mono">
        {one.step}
      </span>,
    ],
    ["Waiting since", <Time key="since" at={one.asked_at} />],
    ["Until", <Until key="until" one={one} />],
  ];
  if (one.escalates_at) facts.push(["Others are asked", <Time key="more" at={one.escalates_at} />]);
  return facts;
}

function Until({ one }: { one: Approval }) {
  if (!one.until) return <>no end</>;
  return (
    <>
      <Time at={one.until} />; then {afterwards(one)}
    </>
  );
}

/** Who is asked, and what those have decided who did. */
function Decisions({ one }: { one: Approval }) {
  const still = one.people.filter((person) => !one.decisions.some((made) => made.by === person));
  const needed = one.quorum === 1 ? "One has to approve" : `${plural(one.quorum, "person", "people")} have to approve`;
  return (
    <section className={css.people} aria-label="Decisions">
      <p className="quiet">
        {needed}; one rejection rejects. {approvedBy(one)} of {one.quorum} so far.
        {one.people.length === 0 && " Whoever may act on runs is asked."}
      </p>
      <ul>
        {one.decisions.map((made) => (
          <li key={made.by}>
            <Status
              bare
              value={made.decision === "approve" ? "completed" : "failed"}
              label={made.decision === "approve" ? "approved" : "rejected"}
            />
            <bdi>{made.by}</bdi>
            <Time at={made.at} />
            {made.form !== null && made.form !== undefined && (
              <Json value={made.form} label={`What ${made.by} has filled in`} open={1} />
            )}
          </li>
        ))}
        {still.map((person) => (
          <li key={person}>
            <Status bare value="waiting" label="is asked" />
            <bdi>{person}</bdi>
          </li>
        ))}
      </ul>
    </section>
  );
}
