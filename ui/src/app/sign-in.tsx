/** Signing in by the admin token. */
import { type FormEvent, useState } from "react";
import { send } from "@/api/client";
import { Button } from "@/design/button";
import { Input } from "@/design/fields";
import { Strip } from "@/design/states";
import { useFilters } from "./go";
import css from "./sign-in.module.css";

export function SignIn() {
  const [filters] = useFilters();
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const enter = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get("token") ?? "");
    setBusy(true);
    setWrong(null);
    try {
      await send("/login", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token }),
      });
      const next = filters.next ?? "/ui/";
      window.location.assign(next.startsWith("/ui/") ? next : "/ui/");
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <main className={css.place}>
      <form className={css.card} onSubmit={enter}>
        <h1>Sign in to Reactor</h1>
        {filters.used && (
          <Strip tone="warn">
            This link has been used, or is too old. Give the token, or take the new link that `reactor run` shows.
          </Strip>
        )}
        <Input
          label="Admin token"
          name="token"
          type="password"
          autoComplete="current-password"
          autoFocus
          required
          wrong={wrong}
          hint="It is in the file `token` of the data folder, or what REACTOR_TOKEN says."
        />
        <Button look="main" type="submit" disabled={busy}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
