/** What stands where there is nothing to show: nothing yet, not yet here, or not to be had. */
import { CircleAlert, Inbox, type LucideIcon, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Refusal } from "@/api/client";
import { Button } from "./button";
import css from "./states.module.css";
import { type Tone, toneClass } from "./status";

/** There is nothing, and what to do so that there is something. */
export function Empty({
  title,
  icon: Icon = Inbox,
  children,
  action,
}: {
  title: string;
  icon?: LucideIcon;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className={css.state}>
      <Icon aria-hidden />
      <p className={css.title}>{title}</p>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** It could not be had: the server's own words, and the way to try again. */
export function Failure({ error, again }: { error: Error; again?: () => void }) {
  const refused = error instanceof Refusal;
  return (
    <div className={`${css.state} ${css.failure}`} role="alert">
      <CircleAlert aria-hidden />
      <p className={css.title}>{refused ? error.title : "This cannot be shown now"}</p>
      <p>{error.message}</p>
      {again && <Button onClick={again}>Try again</Button>}
    </div>
  );
}

/** The place of what is coming, with its size, so that nothing jumps when it is there. */
export function Loading({ lines = 6, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <div className={css.bones} role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: bones have no identity
        <div key={n} className={css.bone} style={{ width: `${92 - ((n * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

/** A sentence about what is shown below it. */
export function Strip({
  tone,
  children,
  icon: Icon = TriangleAlert,
}: {
  tone: Tone;
  children: ReactNode;
  icon?: LucideIcon;
}) {
  return (
    <div className={`${css.strip} ${toneClass(tone)}`} role="note">
      <Icon aria-hidden />
      <span>{children}</span>
    </div>
  );
}

/** One of the three, or the content: what every part of a page is made of. */
export function Shown<T>({
  value,
  error,
  again,
  loading,
  children,
}: {
  value: T | undefined;
  error?: Error | null;
  again?: () => void;
  loading?: ReactNode;
  children: (value: T) => ReactNode;
}) {
  // What was shown stays when asking again fails; the shell says that the server is away.
  if (value !== undefined) return <>{children(value)}</>;
  if (error) return <Failure error={error} again={again} />;
  return <>{loading ?? <Loading />}</>;
}
