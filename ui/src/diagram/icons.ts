/** A picture for each kind of step and of trigger. */
import {
  Activity,
  Bell,
  Braces,
  CalendarClock,
  CircleX,
  Clock,
  CornerDownLeft,
  Database,
  FileText,
  FolderOpen,
  Globe,
  Hourglass,
  Layers,
  ListTree,
  type LucideIcon,
  Mail,
  Megaphone,
  Play,
  Radio,
  Repeat,
  Rss,
  Save,
  ScrollText,
  SkipForward,
  Split,
  SquareTerminal,
  UserCheck,
  Webhook,
  Workflow,
  Zap,
} from "lucide-react";

const KINDS: Record<string, LucideIcon> = {
  block: ListTree,
  set: Braces,
  wait: Clock,
  emit: Megaphone,
  call: Workflow,
  parallel: Layers,
  for_each: Repeat,
  while: Repeat,
  until: Repeat,
  switch: Split,
  wait_for: Hourglass,
  approve: UserCheck,
  state: Save,
  break: SkipForward,
  return: CornerDownLeft,
  fail: CircleX,
};

/** By what an action's or a trigger's name begins with. */
const SYSTEMS: readonly (readonly [string, LucideIcon])[] = [
  ["http", Globe],
  ["webhook", Webhook],
  ["shell", SquareTerminal],
  ["email", Mail],
  ["imap", Mail],
  ["file", FolderOpen],
  ["folder", FolderOpen],
  ["log", ScrollText],
  ["database", Database],
  ["postgres", Database],
  ["mysql", Database],
  ["sql", Database],
  ["kafka", Radio],
  ["mqtt", Radio],
  ["nats", Radio],
  ["redis", Radio],
  ["data", Braces],
  ["rss", Rss],
  ["feed", Rss],
  ["schedule", CalendarClock],
  ["cron", CalendarClock],
  ["every", CalendarClock],
  ["event", Zap],
  ["pattern", Activity],
  ["slack", Bell],
  ["text", FileText],
];

function ofSystem(name: string): LucideIcon | undefined {
  return SYSTEMS.find(([begin]) => name.startsWith(begin))?.[1];
}

export function iconOfStep(kind: string, action: string | null): LucideIcon {
  return (action && ofSystem(action)) || KINDS[kind] || Play;
}

export function iconOfTrigger(kind: string): LucideIcon {
  return ofSystem(kind) ?? Zap;
}
