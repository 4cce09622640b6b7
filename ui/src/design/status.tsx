/** States of everything that has one: always a word, a shape and a tone, never a colour alone. */
import {
  Ban,
  BellOff,
  Check,
  CircleAlert,
  CircleDashed,
  CirclePause,
  CircleSlash,
  Clock,
  Eye,
  Hourglass,
  LoaderCircle,
  type LucideIcon,
  OctagonX,
  Radio,
  Unplug,
} from "lucide-react";
import css from "./status.module.css";

export type Tone = "good" | "bad" | "warn" | "busy" | "held" | "idle";

interface Look {
  tone: Tone;
  icon: LucideIcon;
  turning?: boolean;
}

const LOOKS: Record<string, Look> = {
  // runs and steps
  pending: { tone: "idle", icon: Clock },
  running: { tone: "busy", icon: LoaderCircle, turning: true },
  waiting: { tone: "warn", icon: Hourglass },
  paused: { tone: "held", icon: CirclePause },
  completed: { tone: "good", icon: Check },
  failed: { tone: "bad", icon: OctagonX },
  cancelled: { tone: "idle", icon: Ban },
  skipped: { tone: "idle", icon: CircleSlash },
  // triggers
  arming: { tone: "busy", icon: LoaderCircle, turning: true },
  armed: { tone: "good", icon: Radio },
  lagging: { tone: "warn", icon: Hourglass },
  disabled: { tone: "idle", icon: CircleSlash },
  // connections and instances
  ok: { tone: "good", icon: Check },
  unknown: { tone: "idle", icon: CircleDashed },
  failing: { tone: "bad", icon: Unplug },
  unreachable: { tone: "bad", icon: Unplug },
  // alerts
  firing: { tone: "bad", icon: CircleAlert },
  acknowledged: { tone: "warn", icon: Eye },
  resolved: { tone: "good", icon: Check },
  silenced: { tone: "idle", icon: BellOff },
  critical: { tone: "bad", icon: CircleAlert },
  warning: { tone: "warn", icon: CircleAlert },
  error: { tone: "bad", icon: OctagonX },
  info: { tone: "busy", icon: CircleAlert },
};

const UNKNOWN: Look = { tone: "idle", icon: CircleDashed };

export function toneOf(value: string): Tone {
  return (LOOKS[value] ?? UNKNOWN).tone;
}

/** A state. `bare`: no ground, for dense lists. `label`: other words for the same state. */
export function Status({ value, label, bare }: { value: string; label?: React.ReactNode; bare?: boolean }) {
  const { tone, icon: Icon, turning } = LOOKS[value] ?? UNKNOWN;
  return (
    <span className={`${css.status} ${css[tone]} ${bare ? css.bare : ""} ${turning ? css.turning : ""}`}>
      <Icon aria-hidden />
      {label ?? value}
    </span>
  );
}

/** A small count or word beside something, in a tone. */
export function Badge({ tone = "idle", children }: { tone?: Tone; children: React.ReactNode }) {
  return (
    <span className={`${css.status} ${css[tone]}`} style={{ paddingLeft: 7 }}>
      {children}
    </span>
  );
}

/** The class that sets `--tone` and `--tone-soft` for what is drawn in a state's colours. */
export function toneClass(tone: Tone): string {
  return css[tone] ?? "";
}
