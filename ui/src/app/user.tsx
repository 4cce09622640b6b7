/** Who is signed in. The menu behind it comes when a hand goes there: it is not part of the first view. */
import { UserRound } from "lucide-react";
import { type ComponentProps, lazy, Suspense, useState } from "react";
import { Button } from "@/design/button";
import { useMe } from "./me";
import css from "./shell.module.css";

const load = () => import("./user-menu");
const UserMenu = lazy(load);

export function Who(props: ComponentProps<"button">) {
  const { name } = useMe();
  return (
    <Button look="plain" className={css.who} aria-label={`You: ${name}`} aria-haspopup="menu" {...props}>
      <UserRound aria-hidden />
      <span>{name}</span>
    </Button>
  );
}

export function User(does: { onKeys: () => void; onPassword: () => void }) {
  const [open, setOpen] = useState(false);
  if (!open) return <Who onClick={() => setOpen(true)} onPointerEnter={load} onFocus={load} />;
  return (
    <Suspense fallback={<Who />}>
      <UserMenu {...does} />
    </Suspense>
  );
}
