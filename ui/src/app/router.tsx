/** Addresses below `/ui`. Each page is a file of its own that comes when it is first gone to. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Unreachable } from "@/api/client";
import { Empty, Failure } from "@/design/states";
import { parseSearch, stringifySearch } from "./go";
import { PAGES } from "./pages";
import { Shell } from "./shell";
import { SignIn } from "./sign-in";

const root = createRootRoute({
  notFoundComponent: () => (
    <Empty title="There is no such page">The address may be of another version of Reactor.</Empty>
  ),
  errorComponent: ({ error, reset }) => {
    const told = error instanceof Error ? error : new Error(String(error));
    // The file of a page that was never gone to, while the server is away, or has another version now.
    const unloaded = /preload|imported module|module script/i.test(told.message);
    return unloaded ? (
      <Failure error={new Unreachable()} again={() => window.location.reload()} />
    ) : (
      <Failure error={told} again={reset} />
    );
  },
});

const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });
const signIn = createRoute({ getParentRoute: () => root, path: "/sign-in", component: SignIn });
const pages = PAGES.map(({ path, load }) =>
  createRoute({ getParentRoute: () => shell, path: path as "/", component: lazyRouteComponent(load) }),
);

export const router = createRouter({
  routeTree: root.addChildren([signIn, shell.addChildren(pages)]),
  basepath: "/ui",
  parseSearch: (text) => parseSearch(text.replace(/^\?/, "")),
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
});
