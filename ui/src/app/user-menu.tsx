/** Who is signed in, what they may do, and what concerns only them. */
import { Keyboard, KeyRound, LogOut, Monitor, Moon, Sun, UserRound } from "lucide-react";
import { send } from "@/api/client";
import { Button } from "@/design/button";
import { doing, Menu, type MenuItem } from "@/design/overlays";
import { useMe } from "./me";
import css from "./shell.module.css";
import { setTheme, type Theme, useTheme } from "./theme";

const THEMES: readonly (readonly [Theme, string, typeof Sun])[] = [
  ["system", "Theme of the system", Monitor],
  ["light", "Light theme", Sun],
  ["dark", "Dark theme", Moon],
];

export function UserMenu({ onKeys, onPassword }: { onKeys: () => void; onPassword?: () => void }) {
  const me = useMe();
  const chosen = useTheme();
  const items: MenuItem[] = [
    ...THEMES.map(([theme, label, Icon]) => ({
      label,
      icon: <Icon aria-hidden />,
      checked: chosen === theme,
      onSelect: () => setTheme(theme),
    })),
    { label: "Keys", icon: <Keyboard aria-hidden />, onSelect: onKeys, apart: true },
  ];
  if (onPassword) items.push({ label: "Change password", icon: <KeyRound aria-hidden />, onSelect: onPassword });
  items.push({ label: "Sign out", icon: <LogOut aria-hidden />, onSelect: signOut, apart: true });
  return (
    <Menu
      head={
        <>
          <strong>{me.name}</strong>
          <div className="quiet">{me.role}</div>
        </>
      }
      trigger={
        <Button look="plain" className={css.who} aria-label={`You: ${me.name}`}>
          <UserRound aria-hidden />
          <span>{me.name}</span>
        </Button>
      }
      items={items}
    />
  );
}

export async function signOut(): Promise<void> {
  if (await doing(send("/logout", { method: "POST" }), "You are signed out")) window.location.assign("/ui/sign-in");
}
