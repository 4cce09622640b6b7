/** Tabs. Focus and keys are Radix's. */
import { Tabs as RadixTabs } from "radix-ui";
import type { ReactNode } from "react";
import css from "./overlays.module.css";

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
