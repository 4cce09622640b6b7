/** The bar above the page: the way back, the search, whether the page is live, and who is signed in. */
import { useLocation } from "@tanstack/react-router";
import { ChevronRight, Menu as MenuIcon, Search } from "lucide-react";
import { IconButton } from "@/design/button";
import { Go } from "./go";
import { MOD } from "./keys";
import { LiveMark } from "./live-mark";
import { whereabouts } from "./places";
import css from "./shell.module.css";
import { User } from "./user";

export function Top({
  menu,
  setMenu,
  onFind,
  onKeys,
  onPassword,
}: {
  menu: boolean;
  setMenu: (open: boolean) => void;
  onFind: () => void;
  onKeys: () => void;
  onPassword: () => void;
}) {
  return (
    <header className={css.top}>
      <IconButton label="Menu" className={css.opener} aria-expanded={menu} onClick={() => setMenu(!menu)}>
        <MenuIcon aria-hidden />
      </IconButton>
      <Crumbs />
      <button type="button" className={css.find} onClick={onFind} aria-keyshortcuts="Control+K Meta+K">
        <Search aria-hidden />
        <span>Search or do …</span>
        <kbd aria-hidden>{MOD} K</kbd>
      </button>
      <LiveMark />
      <User onKeys={onKeys} onPassword={onPassword} />
    </header>
  );
}

/** Above the page of one thing: the list that it is of. */
function Crumbs() {
  const there = whereabouts(useLocation().pathname);
  if (!there?.rest) return <div className={css.space} />;
  return (
    <nav className={css.crumbs} aria-label="The way back">
      <Go to={there.place.to}>{there.place.name}</Go>
      <ChevronRight aria-hidden />
      <span title={there.rest}>{there.rest}</span>
    </nav>
  );
}
