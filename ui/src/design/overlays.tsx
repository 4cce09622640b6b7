/** What stands above the page: dialogs, menus, tabs, and short messages. Focus and keys are Radix's. */
import { Check, X } from "lucide-react";
import { DropdownMenu, Dialog as RadixDialog, Tabs as RadixTabs } from "radix-ui";
import { type ReactNode, useState, useSyncExternalStore } from "react";
import { Button, IconButton } from "./button";
import css from "./overlays.module.css";
import { type Tone, toneClass } from "./status";

export function Dialog({
  title,
  says,
  open,
  onOpen,
  trigger,
  wide,
  children,
  foot,
}: {
  title: string;
  says?: ReactNode;
  open?: boolean;
  onOpen?: (open: boolean) => void;
  trigger?: ReactNode;
  wide?: boolean;
  children?: ReactNode;
  foot?: ReactNode;
}) {
  return (
    <RadixDialog.Root open={open} onOpenChange={onOpen}>
      {trigger && <RadixDialog.Trigger asChild>{trigger}</RadixDialog.Trigger>}
      <RadixDialog.Portal>
        <RadixDialog.Overlay className={css.scrim} />
        <RadixDialog.Content
          className={`${css.dialog} ${wide ? css.wide : ""}`}
          {...(says ? {} : { "aria-describedby": undefined })}
        >
          <RadixDialog.Title asChild>
            <h2>{title}</h2>
          </RadixDialog.Title>
          {says && <RadixDialog.Description className="quiet">{says}</RadixDialog.Description>}
          {children}
          {foot && <div className={css.foot}>{foot}</div>}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

/** Asks before something is lost. The verb is on the button; what will be lost is in the text. */
export function Confirm({
  title,
  says,
  verb,
  danger,
  trigger,
  onConfirm,
  open,
  onOpen,
  children,
}: {
  title: string;
  says: ReactNode;
  verb: string;
  /** What more is asked, above the buttons. */
  children?: ReactNode;
  danger?: boolean;
  trigger?: ReactNode;
  onConfirm: () => Promise<unknown> | unknown;
  open?: boolean;
  onOpen?: (open: boolean) => void;
}) {
  const [inner, setInner] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const close = onOpen ?? setInner;
  const act = async () => {
    setBusy(true);
    setError("");
    try {
      await onConfirm();
      close(false);
    } catch (reason) {
      setError(reason instanceof Error ? reason.message : String(reason));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      says={says}
      open={open ?? inner}
      onOpen={close}
      trigger={trigger}
      foot={
        <>
          <Button onClick={() => close(false)}>Keep as it is</Button>
          <Button look={danger ? "danger" : "main"} disabled={busy} onClick={act}>
            {verb}
          </Button>
        </>
      }
    >
      {children}
      {error && (
        <p role="alert" className={css.loss}>
          {error}
        </p>
      )}
    </Dialog>
  );
}

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  onSelect: () => void;
  danger?: boolean;
  disabled?: boolean;
  /** One of several of which one is chosen. */
  checked?: boolean;
  /** A line stands before it. */
  apart?: boolean;
}

export function Menu({
  trigger,
  items,
  head,
  align = "end",
}: {
  trigger: ReactNode;
  items: readonly MenuItem[];
  /** What the menu is about, where its trigger does not say it. */
  head?: ReactNode;
  align?: "start" | "end";
}) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={css.menu} align={align} sideOffset={4} collisionPadding={8}>
          {head && <DropdownMenu.Label className={css.head}>{head}</DropdownMenu.Label>}
          {items.map((item) => (
            <MenuLine key={item.label} item={item} />
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function MenuLine({ item }: { item: MenuItem }) {
  const about = {
    className: `${css.item} ${item.danger ? css.loss : ""}`,
    disabled: item.disabled,
    onSelect: item.onSelect,
  };
  const line = item.apart && <DropdownMenu.Separator className={css.apart} />;
  if (item.checked === undefined) {
    return (
      <>
        {line}
        <DropdownMenu.Item {...about}>
          {item.icon}
          {item.label}
        </DropdownMenu.Item>
      </>
    );
  }
  return (
    <>
      {line}
      <DropdownMenu.CheckboxItem {...about} checked={item.checked}>
        {item.icon}
        {item.label}
        <DropdownMenu.ItemIndicator className={css.mark}>
          <Check aria-hidden />
        </DropdownMenu.ItemIndicator>
      </DropdownMenu.CheckboxItem>
    </>
  );
}

/** Parts of a page of which one is seen; which, is for the URL to say (`value`, `onChange`). */
export function Tabs({
  value,
  onChange,
  tabs,
  label,
}: {
  value: string;
  onChange: (value: string) => void;
  label: string;
  tabs: readonly { value: string; label: ReactNode; content: ReactNode }[];
}) {
  return (
    <RadixTabs.Root value={value} onValueChange={onChange} activationMode="manual" style={{ display: "contents" }}>
      <RadixTabs.List className={css.tabs} aria-label={label}>
        {tabs.map((tab) => (
          <RadixTabs.Trigger key={tab.value} value={tab.value} className={css.tab}>
            {tab.label}
          </RadixTabs.Trigger>
        ))}
      </RadixTabs.List>
      {tabs.map((tab) => (
        <RadixTabs.Content key={tab.value} value={tab.value} style={{ minWidth: 0 }}>
          {tab.content}
        </RadixTabs.Content>
      ))}
    </RadixTabs.Root>
  );
}

// --- short messages ---

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
