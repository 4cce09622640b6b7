/** What the palette offers for what has been typed so far. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useLocation } from "@tanstack/react-router";
import {
  Ban,
  Cable,
  CalendarClock,
  CirclePause,
  CirclePlay,
  Clock,
  Inbox,
  Keyboard,
  KeyRound,
  LogOut,
  type LucideIcon,
  Moon,
  Play,
  Plus,
  Sun,
  Workflow,
  Zap,
} from "lucide-react";
import { api, data, type Shapes } from "@/api/client";
import { doing } from "@/design/overlays";
import { type Found, fits, ranked } from "./matching";
import { useMay } from "./me";
import { PLACES } from "./pages";
import { below } from "./places";
import { recent } from "./recent";
import { signOut } from "./sign-out";
import { setTheme } from "./theme";

export interface Choice extends Found {
  icon: LucideIcon;
  key?: string;
  /** Where it leads … */
  to?: string;
  /** … or what it does. */
  act?: () => void;
  /** The palette stays open, for something else comes in its place. */
  stays?: boolean;
}

interface Group {
  title: string;
  choices: readonly Choice[];
}

const MOST = 8;

export function useChoices(
  text: string,
  does: { onKeys: () => void; onRunFlow: (flow: string) => void },
): { groups: readonly Group[]; looking: boolean; error: Error | null } {
  const here = below(useLocation().pathname);
  const may = { edit: useMay("editor"), admin: useMay("admin") };
  const flows = useQuery({
    queryKey: ["flows", "palette"],
    queryFn: () => data(api.GET("/api/v1/flows", { params: { query: { limit: 1_000 } } })),
    staleTime: 30_000,
  });
  const found = flows.data?.items ?? [];
  const others = useSearch(text);
  const groups: Group[] = [
    { title: "This id", choices: byId(text) },
    { title: "Here", choices: may.edit ? onHere(here).filter((each) => fits(each, text)) : [] },
    { title: "Recent", choices: text ? [] : lately(here) },
    { title: "Flows", choices: text ? ranked(found.map(asChoice), text, MOST) : [] },
    { title: "Go to", choices: ranked(places(may.admin), text, text ? MOST : 20) },
    {
      title: "Do",
      choices: ranked([...actions(may.edit, does), ...(text && may.edit ? onFlows(found, does) : [])], text, MOST),
    },
    { title: "Found", choices: (others.data?.items ?? []).flatMap(asHit) },
  ];
  return {
    groups: groups.filter((group) => group.choices.length > 0),
    looking: flows.isPending || others.isFetching,
    error: flows.error ?? others.error,
  };
}

/** What only the server knows. It comes last, so that nothing moves when it is there. */
function useSearch(text: string) {
  const q = text.trim().slice(0, 200);
  return useQuery({
    queryKey: ["search", q],
    queryFn: ({ signal }) => data(api.GET("/api/v1/search", { params: { query: { q } }, signal })),
    enabled: q.length > 1,
    placeholderData: keepPreviousData,
  });
}

/** Where each kind is; flows are offered already. */
const HITS: Readonly<Record<string, readonly [LucideIcon, (id: string) => string]>> = {
  run: [Play, (id) => `/runs/${id}`],
  event: [Zap, (id) => `/events/${id}`],
  trigger: [CalendarClock, (id) => `/triggers?flow=${id.slice(0, id.lastIndexOf("%2F"))}`],
  connection: [Cable, () => "/connections"],
  secret: [KeyRound, () => "/secrets"],
  approval: [Inbox, (id) => `/approvals?id=${id}`],
};

function asHit({ kind, id, title, detail }: Shapes["Hit"]): Choice[] {
  const known = HITS[kind];
  if (!known) return [];
  const [icon, to] = known;
  return [{ id: `${kind} ${id}`, name: title, says: detail || kind, icon, to: to(encodeURIComponent(id)) }];
}

function byId(text: string): Choice[] {
  const [id] = /\b(run|evt)_[0-9a-z]{8,}\b/.exec(text) ?? [];
  if (!id) return [];
  return id.startsWith("run")
    ? [{ id, name: "Open run", says: id, icon: Play, to: `/runs/${id}` }]
    : [{ id, name: "Open event", says: id, icon: Zap, to: `/events/${id}` }];
}

function lately(here: string): Choice[] {
  return recent()
    .filter(({ to }) => to !== here)
    .slice(0, 5)
    .map(({ to, name }) => ({ id: `recent ${to}`, name, says: to.split("/")[1], icon: Clock, to }));
}

function places(admin: boolean): Choice[] {
  return PLACES.flat()
    .filter((each) => admin || !each.admin)
    .map(({ to, name, icon, key }) => ({ id: `page ${to}`, name, icon, key: `g ${key}`, to }));
}

type Flow = Shapes["FlowRow"];

function asChoice({ name, sentence, description }: Flow): Choice {
  const to = `/flows/${encodeURIComponent(name)}`;
  return { id: `flow ${name}`, name, says: description || sentence, icon: Workflow, to };
}

function onFlows(flows: readonly Flow[], { onRunFlow }: { onRunFlow: (flow: string) => void }): Choice[] {
  return flows.flatMap(({ name, enabled }) => {
    const path = { params: { path: { name } } };
    const turn = enabled
      ? () => void doing(api.POST("/api/v1/flows/{name}/disable", path), `${name} is disabled: nothing starts it`)
      : () => void doing(api.POST("/api/v1/flows/{name}/enable", path), `${name} is enabled`);
    return [
      { id: `run ${name}`, name: `Run flow ${name}`, icon: CirclePlay, act: () => onRunFlow(name), stays: true },
      {
        id: `turn ${name}`,
        name: `${enabled ? "Disable" : "Enable"} flow ${name}`,
        icon: enabled ? CirclePause : Workflow,
        act: turn,
      },
    ];
  });
}

/** What can be done to what the page is of. */
function onHere(here: string): Choice[] {
  const [, id] = /^\/runs\/(run_[0-9a-z]+)$/.exec(here) ?? [];
  if (!id) return [];
  const path = { params: { path: { id } } };
  const why = { body: { reason: "by hand" } };
  return [
    {
      id: "pause here",
      name: "Pause this run",
      icon: CirclePause,
      act: () => void doing(api.POST("/api/v1/runs/{id}/pause", path), "The run stops before its next step"),
    },
    {
      id: "resume here",
      name: "Resume this run",
      icon: CirclePlay,
      act: () => void doing(api.POST("/api/v1/runs/{id}/resume", path), "The run goes on"),
    },
    {
      id: "cancel here",
      name: "Cancel this run",
      icon: Ban,
      act: () => void doing(api.POST("/api/v1/runs/{id}/cancel", { ...path, ...why }), "The run is being cancelled"),
    },
    {
      id: "retry here",
      name: "Retry this run from the step that failed",
      icon: Play,
      act: () => void doing(api.POST("/api/v1/runs/{id}/retry", path), "The run goes on from there"),
    },
  ];
}

function actions(edit: boolean, { onKeys }: { onKeys: () => void }): Choice[] {
  const all: (Choice & { edits?: boolean })[] = [
    { id: "new flow", name: "New flow", icon: Plus, to: "/flows/new", edits: true },
    { id: "keys", name: "Show all keys", icon: Keyboard, key: "?", act: onKeys, stays: true },
    { id: "light", name: "Light theme", icon: Sun, act: () => setTheme("light") },
    { id: "dark", name: "Dark theme", icon: Moon, act: () => setTheme("dark") },
    { id: "out", name: "Sign out", icon: LogOut, act: () => void signOut() },
  ];
  return all.filter((each) => edit || !each.edits);
}
