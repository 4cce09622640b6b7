/** Buttons. One `main` a page at most; `danger` only where something is lost. */
import { Slot } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import css from "./button.module.css";

type Look = "normal" | "main" | "danger" | "plain";

interface Common extends ComponentProps<"button"> {
  look?: Look;
  /** The one child is what is shown as a button, a link most often. */
  asChild?: boolean;
}

export function Button({ look = "normal", asChild, className = "", ...rest }: Common) {
  const Kind = asChild ? Slot.Root : "button";
  return (
    <Kind
      {...(asChild ? {} : { type: "button" })}
      className={`${css.button} ${css[look] ?? ""} ${className}`}
      {...rest}
    />
  );
}

/** A button that is only an icon: its label is what screen readers and the hint say. */
export function IconButton({
  label,
  children,
  look = "plain",
  className = "",
  ...rest
}: Common & { label: string; children: ReactNode }) {
  return (
    <Button look={look} aria-label={label} title={label} className={`${css.icon} ${className}`} {...rest}>
      {children}
    </Button>
  );
}
