/** Menus. Focus and keys are Radix's. */
import { Check } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import css from "./overlays.module.css";

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
  begun,
}: {
  trigger: ReactNode;
  items: readonly MenuItem[];
  /** What the menu is about, where its trigger does not say it. */
  head?: ReactNode;
  align?: "start" | "end";
  /** It is open when it comes: what asked for it is the click. */
  begun?: boolean;
}) {
  return (
    <DropdownMenu.Root modal={false} {...(begun ? { defaultOpen: true } : {})}>
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
