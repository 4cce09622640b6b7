/** Short messages: that something was done, or could not be. */
import { X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { IconButton } from "./button";
import css from "./overlays.module.css";
import { type Tone, toneClass } from "./status";

interface Toast {
  id: number;
  tone: Tone;
  text: string;
}

let toasts: readonly Toast[] = [];
let number = 0;
const watchers = new Set<() => void>();

function become(next: readonly Toast[]): void {
  toasts = next;
  for (const watcher of watchers) watcher();
}

function dismiss(id: number): void {
  become(toasts.filter((toast) => toast.id !== id));
}

/** Say that something was done, or could not be. Failures stay until they are put away. */
export function say(text: string, tone: Tone = "good"): void {
  number += 1;
  const id = number;
  become([...toasts.slice(-3), { id, tone, text }]);
  if (tone !== "bad") setTimeout(() => dismiss(id), 5_000);
}

/** Do something, and say so; what the server refuses is said in its words. True when it is done. */
export async function doing(work: Promise<unknown>, done: string): Promise<boolean> {
  try {
    await work;
    say(done);
    return true;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error), "bad");
    return false;
  }
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => {
        watchers.delete(watcher);
      };
    },
    () => toasts,
  );
  return (
    <div className={css.toasts} role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`${css.toast} ${toneClass(toast.tone)}`}>
          <p>{toast.text}</p>
          <IconButton label="Put away" onClick={() => dismiss(toast.id)}>
            <X aria-hidden />
          </IconButton>
        </div>
      ))}
    </div>
  );
}
