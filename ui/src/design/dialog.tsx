/** Dialogs. Focus and keys are Radix's. */
import { Dialog as RadixDialog } from "radix-ui";
import { type ReactNode, useState } from "react";
import { Button } from "./button";
import css from "./overlays.module.css";

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
