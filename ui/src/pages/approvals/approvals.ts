/** What waits for people, and what they have decided. */
import { api, data, type Shapes } from "@/api/client";
import { usePages } from "@/api/lists";
import { useRefresh } from "@/api/refresh";

export type Approval = Shapes["Approval"];

const DECIDED = "reactor.approval.decided";

export function useApprovals(open: boolean) {
  const list = usePages<Approval>(["approvals", open], (cursor, signal) =>
    data(api.GET("/api/v1/approvals", { params: { query: { open, cursor } }, signal })),
  );
  // A run that waits may wait for people; who has decided is told by an event.
  useRefresh(["run", "event", "approval"], ["approvals"], {
    every: 1_000,
    only: (change) => change.type === undefined || change.type === DECIDED,
  });
  // One of which two have decided may stand on two pages.
  const seen = new Set<string>();
  const items = list.items?.filter((one) => !seen.has(one.id) && seen.add(one.id));
  return { ...list, items };
}

/** How it stands, as a state and in a word. */
export function standing(one: Approval): readonly [string, string] {
  if (one.decisions.some((made) => made.decision === "reject")) return ["failed", "rejected"];
  if (one.decisions.length >= one.quorum) return ["completed", "approved"];
  return one.open ? ["waiting", "waiting"] : ["cancelled", "over"];
}

const THEN: Record<string, string> = {
  fail: "the step fails",
  approve: "it counts as approved",
  reject: "it counts as rejected",
  steps: "the flow goes its way for that",
};

/** What happens when nobody decides. */
export function afterwards(one: Approval): string {
  return one.on_timeout ? (THEN[one.on_timeout] ?? one.on_timeout) : "it is over";
}

export function approvedBy(one: Approval): number {
  return one.decisions.filter((made) => made.decision === "approve").length;
}
