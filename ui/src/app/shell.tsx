/** What is around every page: where one can go, whether what is shown is live, who is asking, and the keys. */
import { Outlet, useLocation } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { begin } from "@/api/live";
import { Toasts } from "@/design/toasts";
import { useKeys } from "./keys";
import { below, whereabouts } from "./places";
import { remember } from "./recent";
import css from "./shell.module.css";
import { Side } from "./side";
import { useSignedOut } from "./signed-out";
import { Top } from "./top";

const Palette = lazy(() => import("./palette"));
const Password = lazy(() => import("./password"));
const KeysShown = lazy(() => import("./keys-shown"));

export function Shell() {
  const [menu, setMenu] = useState(false);
  const [above, setAbove] = useState<"palette" | "keys" | "password" | null>(null);
  const path = useLocation().pathname;
  useEffect(begin, []);
  useSignedOut();
  useKeys({ palette: () => setAbove("palette"), keys: () => setAbove("keys") });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the menu of the phone
  useEffect(() => setMenu(false), [path]);
  useEffect(() => {
    const there = whereabouts(path);
    if (there?.rest && there.rest !== "new") remember({ to: below(path), name: there.rest });
  }, [path]);
  const close = (open: boolean) => setAbove(open ? above : null);
  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main">
        Skip to the page
      </a>
      <Side open={menu} path={path} />
      {menu && <button type="button" className={css.veil} aria-label="Close the menu" onClick={() => setMenu(false)} />}
      <div className={css.body}>
        <Top
          menu={menu}
          setMenu={setMenu}
          onFind={() => setAbove("palette")}
          onKeys={() => setAbove("keys")}
          onPassword={() => setAbove("password")}
        />
        <main id="main" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <Suspense fallback={null}>
        {above === "palette" && <Palette onOpen={close} onKeys={() => setAbove("keys")} />}
        {above === "password" && <Password onOpen={close} />}
        {above === "keys" && <KeysShown onOpen={close} />}
      </Suspense>
      <Toasts />
    </div>
  );
}
