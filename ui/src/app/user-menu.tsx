/** Who is signed in, what they may do, and what concerns only them. */
import { Keyboard, KeyRound, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { Menu, type MenuItem } from "@/design/menu";
import { type Me, useMe } from "./me";
import { signOut } from "./sign-out";
import { setTheme, type Theme, useTheme } from "./theme";
import { Who } from "./user";

const THEMES: readonly (readonly [Theme, string, typeof Sun])[] = [
  ["system", "Theme of the system", Monitor],
  ["light", "Light theme", Sun],
  ["dark", "Dark theme", Moon],
];

export default function UserMenu({ onKeys, onPassword }: { onKeys: () => void; onPassword: () => void }) {
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
  if (me.password) items.push({ label: "Change password", icon: <KeyRound aria-hidden />, onSelect: onPassword });
  items.push({ label: "Sign out", icon: <LogOut aria-hidden />, onSelect: signOut, apart: true });
  return (
    <Menu
      head={
        <>
          <strong>{me.name}</strong>
          <div className="quiet">{saysOf(me)}</div>
        </>
      }
      trigger={<Who />}
      items={items}
      begun
    />
  );
}

function saysOf({ role, user }: Me): string {
  return user === null ? `${role}, by the admin token` : role;
}
