/** What is around every page: where one can go, whether what is shown is live, and the keys. */

import { useQuery } from "@tanstack/react-query";
import { Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { Menu as MenuIcon, Moon, Sun } from "lucide-react";
import { useEffect, useState } from "react";
import { api, data } from "@/api/client";
import { begin, useLiveness } from "@/api/live";
import { IconButton } from "@/design/button";
import { Toasts } from "@/design/overlays";
import { Go } from "./go";
import { useMay } from "./me";
import { PLACES } from "./pages";
import css from "./shell.module.css";
import { isDark, setTheme, useTheme } from "./theme";

const WORDS = { live: "Live", connecting: "Connecting", lost: "Reconnecting" } as const;

export function Shell() {
  const [open, setOpen] = useState(false);
  const path = useLocation().pathname;
  useEffect(begin, []);
  useSignedOut();
  useKeys();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu of the phone
  useEffect(() => setOpen(false), [path]);
  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main">
        Skip to the page
      </a>
      <Side open={open} path={path} />
      <div>
        <header className={css.top}>
          <IconButton label="Menu" className={css.opener} aria-expanded={open} onClick={() => setOpen(!open)}>
            <MenuIcon aria-hidden />
          </IconButton>
          <div className={css.space} />
          <Live />
          <ThemeSwitch />
        </header>
        <main id="main" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <Toasts />
    </div>
  );
}

function Side({ open, path }: { open: boolean; path: string }) {
  const admin = useMay("admin");
  return (
    <nav className={css.side} data-open={open} aria-label="Pages">
      <Go to="/" className={css.brand}>
        <img src="/ui/favicon.svg" alt="" />
        Reactor
      </Go>
      {PLACES.map((group) => (
        <div key={group[0]?.to} className={css.group}>
          {group
            .filter((place) => admin || !place.admin)
            .map(({ to, name, icon: Icon }) => (
              <Go key={to} to={to} className={css.place} aria-current={isAt(path, to) ? "page" : undefined}>
                <Icon aria-hidden />
                {name}
              </Go>
            ))}
        </div>
      ))}
    </nav>
  );
}

function isAt(path: string, to: string): boolean {
  const there = path.replace(/^\/ui/, "").replace(/\/$/, "") || "/";
  return to === "/" ? there === "/" : there === to || there.startsWith(`${to}/`);
}

function Live() {
  const state = useLiveness();
  return (
    <span className={css.live} data-state={state} role="status">
      <i aria-hidden />
      {WORDS[state]}
    </span>
  );
}

function ThemeSwitch() {
  useTheme();
  const dark = isDark();
  return (
    <IconButton label={dark ? "Light theme" : "Dark theme"} onClick={() => setTheme(dark ? "light" : "dark")}>
      {dark ? <Sun aria-hidden /> : <Moon aria-hidden />}
    </IconButton>
  );
}

/** A refusal for want of a session leads to the sign-in, and from there back here. */
function useSignedOut(): void {
  const navigate = useNavigate();
  // A page may have nothing to ask for; whether there is a session is known all the same.
  useQuery({ queryKey: ["metrics"], queryFn: () => data(api.GET("/api/v1/metrics")) });
  useEffect(() => {
    const leave = () => {
      const next = window.location.pathname + window.location.search;
      void navigate({ to: "/sign-in", search: { next } } as never);
    };
    window.addEventListener("reactor:signed-out", leave);
    return () => window.removeEventListener("reactor:signed-out", leave);
  }, [navigate]);
}

/** `g` and a letter lead to a page. */
function useKeys(): void {
  const navigate = useNavigate();
  useEffect(() => {
    let armed = 0;
    const onKey = (event: KeyboardEvent) => {
      const typing =
        event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [contenteditable]");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "g" && event.timeStamp - armed > 1_000) {
        armed = event.timeStamp;
        return;
      }
      if (event.timeStamp - armed > 1_000) return;
      armed = 0;
      const place = PLACES.flat().find((each) => each.key === event.key);
      if (place) void navigate({ to: place.to } as never);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate]);
}
