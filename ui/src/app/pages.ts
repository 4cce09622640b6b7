/** All pages: where they are, what they are called, and the file that draws them. */
import {
  Bell,
  Cable,
  CalendarClock,
  Gauge,
  Inbox,
  KeyRound,
  type LucideIcon,
  MailWarning,
  Play,
  ScrollText,
  Server,
  Users,
  Workflow,
  Zap,
} from "lucide-react";
import type { ComponentType } from "react";

type Loaded = Promise<{ default: ComponentType }>;

export interface PageOf {
  path: string;
  load: () => Loaded;
}

export const PAGES: readonly PageOf[] = [
  { path: "/", load: () => import("@/pages/overview") },
  { path: "/flows", load: () => import("@/pages/flows") },
  { path: "/flows/new", load: () => import("@/pages/flow/new") },
  { path: "/flows/$name", load: () => import("@/pages/flow") },
  { path: "/runs", load: () => import("@/pages/runs") },
  { path: "/runs/$id", load: () => import("@/pages/run") },
  { path: "/events", load: () => import("@/pages/events") },
  { path: "/events/$id", load: () => import("@/pages/event") },
  { path: "/triggers", load: () => import("@/pages/triggers") },
  { path: "/approvals", load: () => import("@/pages/approvals") },
  { path: "/dead-letters", load: () => import("@/pages/letters") },
  { path: "/connections", load: () => import("@/pages/connections") },
  { path: "/secrets", load: () => import("@/pages/secrets") },
  { path: "/alerts", load: () => import("@/pages/alerts") },
  { path: "/alerts/$id", load: () => import("@/pages/alerts") },
  { path: "/instances", load: () => import("@/pages/instances") },
  { path: "/access", load: () => import("@/pages/access") },
  { path: "/audit", load: () => import("@/pages/audit") },
];

export interface Place {
  to: string;
  name: string;
  icon: LucideIcon;
  /** `g` and this letter lead there. */
  key: string;
  admin?: boolean;
}

export const PLACES: readonly (readonly Place[])[] = [
  [
    { to: "/", name: "Overview", icon: Gauge, key: "o" },
    { to: "/flows", name: "Flows", icon: Workflow, key: "f" },
    { to: "/runs", name: "Runs", icon: Play, key: "r" },
    { to: "/events", name: "Events", icon: Zap, key: "e" },
    { to: "/triggers", name: "Triggers", icon: CalendarClock, key: "t" },
  ],
  [
    { to: "/approvals", name: "Approvals", icon: Inbox, key: "a" },
    { to: "/dead-letters", name: "Dead letters", icon: MailWarning, key: "d" },
    { to: "/alerts", name: "Alerts", icon: Bell, key: "l" },
  ],
  [
    { to: "/connections", name: "Connections", icon: Cable, key: "c" },
    { to: "/secrets", name: "Secrets", icon: KeyRound, key: "s" },
    { to: "/instances", name: "Instances", icon: Server, key: "i" },
    { to: "/access", name: "Access", icon: Users, key: "u" },
    { to: "/audit", name: "Audit", icon: ScrollText, key: "g", admin: true },
  ],
];
