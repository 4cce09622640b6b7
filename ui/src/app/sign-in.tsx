/** Signing in: by name and password, by the organisation's own sign-in, or by the admin token, as the server offers. */
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { send } from "@/api/client";
import { Button } from "@/design/button";
import { Input } from "@/design/fields";
import { Strip } from "@/design/states";
import { address, useFilters } from "./go";
import { forgetMe } from "./me";
import css from "./sign-in.module.css";

interface Options {
  password: boolean;
  oidc: { name: string; url: string } | null;
}

const REFUSED: Record<string, string> = {
  denied: "You are known there, but not let in here. Ask an admin of this server.",
  issuer: "The sign-in of your organisation cannot be reached now, or is not set up rightly.",
  again: "The sign-in was not completed. Try again.",
};

export function SignIn() {
  const [filters] = useFilters();
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [byToken, setByToken] = useState(false);
  const options = useQuery({
    queryKey: ["sign-in options"],
    queryFn: async () => (await (await send("/login/options")).json()) as Options,
  });
  const next = filters.next?.startsWith("/ui/") ? filters.next : "/ui/";
  const token = byToken || !options.data?.password;
  const enter = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.currentTarget));
    setBusy(true);
    setWrong(null);
    try {
      await send("/login", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(form),
      });
      forgetMe();
      window.location.assign(next);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  const oidc = options.data?.oidc;
  return (
    <main className={css.place}>
      <form className={css.card} onSubmit={enter}>
        <h1>Sign in to Reactor</h1>
        {filters.used && (
          <Strip tone="warn">
            This link has been used, or is too old. Give the token, or take the new link that `reactor run` shows.
          </Strip>
        )}
        {filters.oidc && <Strip tone="warn">{REFUSED[filters.oidc] ?? REFUSED.again}</Strip>}
        {oidc && (
          <Button look={token && !byToken ? "main" : "normal"} asChild>
            <a href={address(oidc.url, { to: next })}>Sign in with {oidc.name}</a>
          </Button>
        )}
        {token ? (
          <Input
            key="token"
            label="Admin token"
            name="token"
            type="password"
            autoComplete="current-password"
            autoFocus
            required
            wrong={wrong}
            hint="It is in the file `token` of the data folder, or what REACTOR_TOKEN says."
          />
        ) : (
          <>
            <Input key="name" label="Name" name="name" autoComplete="username" autoFocus required />
            <Input
              key="password"
              label="Password"
              name="password"
              type="password"
              autoComplete="current-password"
              required
              wrong={wrong}
            />
          </>
        )}
        <Button look={oidc && token && !byToken ? "normal" : "main"} type="submit" disabled={busy}>
          Sign in
        </Button>
        {options.data?.password && (
          <Button look="plain" onClick={() => setByToken(!byToken)}>
            {byToken ? "By name and password" : "By the admin token"}
          </Button>
        )}
      </form>
    </main>
  );
}
