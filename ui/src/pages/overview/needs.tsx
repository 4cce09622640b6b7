/** What needs a person now, the worst first. Nothing of it is a matter of taste: each row says what, and leads there. */
import { useQuery } from "@tanstack/react-query";
import {
  BellRing,
  Check,
  CircleAlert,
  HardDrive,
  Inbox,
  type LucideIcon,
  MailWarning,
  OctagonX,
  Unplug,
} from "lucide-react";
import type { ReactNode } from "react";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { useFigures } from "@/app/figures";
import { address, Go } from "@/app/go";
import { Section } from "@/design/page";
import { type Tone, toneClass } from "@/design/status";
import { Time } from "@/design/time";
import { percent, plural } from "@/format/text";
import { useFlowFigures } from "./flows-of";
import css from "./overview.module.css";
import type { Window } from "./window";

export interface Need {
  id: string;
  tone: Tone;
  icon: LucideIcon;
  what: string;
  why: ReactNode;
  at?: string | null;
  to: string;
}

/** Of one kind so many are named; the rest is a number. */
const MOST = 4;

export function Needs({ window }: { window: Window }) {
  const needs = [
    ...useTrouble(),
    ...useAlerts(),
    ...useTriggerNeeds(),
    ...useFailing(window),
    ...useQuestions(),
    ...useLetters(),
  ];
  if (needs.length === 0) {
    return (
      <p className={`${css.calm} ${toneClass("good")}`} role="status">
        <Check aria-hidden /> Nothing needs a person now.
      </p>
    );
  }
  return (
    <Section title="Needs a person">
      <ul className={css.needs}>
        {needs.map(({ id, tone, icon: Icon, what, why, at, to }) => (
          <li key={id}>
            <Go to={to} className={toneClass(tone)}>
              <Icon aria-hidden />
              <strong title={what}>{what}</strong>
              <span className={css.why}>{why}</span>
              {at && <Time at={at} />}
            </Go>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** The first few, and how many there are besides. */
function few(all: readonly Need[], rest: (number: number) => Need): Need[] {
  return all.length <= MOST ? [...all] : [...all.slice(0, MOST - 1), rest(all.length - MOST + 1)];
}

function useTrouble(): Need[] {
  const trouble = useFigures().data?.trouble;
  const problems = useQuery({ queryKey: ["problems"], queryFn: () => data(api.GET("/api/v1/problems")) });
  useRefresh(["flow"], ["problems"]);
  const found = (problems.data?.items ?? []).filter(({ severity }) => severity === "error");
  const files = found.map((one, n): Need => {
    const where = [one.file?.split("/").at(-1), one.line, one.column].filter(Boolean).join(":");
    return {
      id: `problem ${n}`,
      tone: "bad",
      icon: CircleAlert,
      what: where || "a file",
      why: one.message,
      to: "/flows",
    };
  });
  const store: Need[] = trouble
    ? [{ id: "store", tone: "bad", icon: HardDrive, what: "The store cannot write", why: trouble, to: "/instances" }]
    : [];
  return [
    ...store,
    ...few(files, (n) => ({
      id: "problems",
      tone: "bad",
      icon: CircleAlert,
      what: `${n} more in files`,
      why: "",
      to: "/flows",
    })),
  ];
}

/** What has a row of its own here. */
const TOLD_BESIDE = new Set(["trigger_failed", "dead_letters", "store_trouble"]);

/** Those that nobody looks after yet, and that nobody has silenced. */
function useAlerts(): Need[] {
  const key = ["alerts", "firing"];
  useRefresh(["alert"], key);
  const firing = useQuery({
    queryKey: key,
    queryFn: () => data(api.GET("/api/v1/alerts", { params: { query: { state: "firing", limit: 100 } } })),
  });
  const rows = (firing.data?.items ?? [])
    .filter((one) => !one.acknowledged && !one.silence && !TOLD_BESIDE.has(one.kind))
    .map(
      (one): Need => ({
        id: `alert ${one.id}`,
        tone: one.severity === "critical" ? "bad" : "warn",
        icon: BellRing,
        what: one.subject ? `${one.rule}: ${one.subject}` : one.rule,
        why: one.reason,
        at: one.fired_at,
        to: `/alerts/${one.id}`,
      }),
    );
  return few(rows, (n) => ({
    id: "alerts",
    tone: "bad",
    icon: BellRing,
    what: `${n} more alerts`,
    why: "",
    to: "/alerts?state=firing",
  }));
}

function useTriggerNeeds(): Need[] {
  const key = ["triggers", "failed"];
  useRefresh(["trigger", "flow"], key);
  const failed = useQuery({
    queryKey: key,
    queryFn: () => data(api.GET("/api/v1/triggers", { params: { query: { state: "failed", limit: 100 } } })),
  });
  const rows = (failed.data?.items ?? []).map(
    (one): Need => ({
      id: `trigger ${one.key}`,
      tone: "bad",
      icon: Unplug,
      what: `${one.flow} does not hear ${one.kind}`,
      why: one.reason,
      at: one.since,
      to: address("/triggers", { state: "failed", flow: one.flow }),
    }),
  );
  const to = "/triggers?state=failed";
  return few(rows, (n) => ({
    id: "triggers",
    tone: "bad",
    icon: Unplug,
    what: `${n} more triggers failed`,
    why: "",
    to,
  }));
}

function useFailing(window: Window): Need[] {
  const figures = useFlowFigures(window).data;
  const failing = (figures?.items ?? []).filter((one) => one.current && one.last_run?.status === "failed");
  failing.sort((one, other) => other.failed - one.failed);
  const rows = failing.map(
    (one): Need => ({
      id: `flow ${one.flow}`,
      tone: "bad",
      icon: OctagonX,
      what: `${one.flow} fails`,
      why: told(one, window),
      at: one.last_run?.finished_at ?? null,
      to: address("/runs", { flow: one.flow, status: "failed", finished_since: figures?.since }),
    }),
  );
  return few(rows, (n) => ({
    id: "flows",
    tone: "bad",
    icon: OctagonX,
    what: `${n} more flows fail`,
    why: "",
    to: "/flows",
  }));
}

function told({ failed, success_rate }: Shapes["FlowFigures"], window: Window): string {
  const when = window.zoomed ? "since then" : `in ${window.words}`;
  if (failed === 0) return "its last run has failed";
  const rate = success_rate === null ? "" : `; ${percent(success_rate)} went well`;
  return `its last run has failed, as have ${plural(failed, "run")} ${when}${rate}`;
}

function useQuestions(): Need[] {
  const many = useFigures().data?.approvals ?? 0;
  const open = useQuery({
    queryKey: ["approvals", "few"],
    queryFn: () => data(api.GET("/api/v1/approvals", { params: { query: { limit: MOST } } })),
  });
  useRefresh(["approval", "run"], ["approvals", "few"], { every: 2_000 });
  const rows = (open.data?.items ?? []).map(
    (one): Need => ({
      id: `approval ${one.id}`,
      tone: "warn",
      icon: Inbox,
      what: one.title,
      why: one.people.length > 0 ? `${one.flow} waits for ${one.people.join(", ")}` : `${one.flow} waits for a person`,
      at: one.asked_at,
      to: `/approvals?id=${encodeURIComponent(one.id)}`,
    }),
  );
  if (rows.length < MOST || many <= MOST) return rows.slice(0, MOST);
  const more = many - MOST + 1;
  return [
    ...rows.slice(0, MOST - 1),
    {
      id: "approvals",
      tone: "warn",
      icon: Inbox,
      what: `${more} more questions`,
      why: "wait for people",
      to: "/approvals",
    },
  ];
}

function useLetters(): Need[] {
  const letters = useFigures().data?.letters ?? 0;
  if (letters === 0) return [];
  const what = plural(letters, "dead letter");
  const why = "messages that could not be read wait for a decision";
  return [{ id: "letters", tone: "warn", icon: MailWarning, what, why, to: "/dead-letters" }];
}
