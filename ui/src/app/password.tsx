/** Another password of one's own. */
import { type FormEvent, useState } from "react";
import { api } from "@/api/client";
import { Button } from "@/design/button";
import { Input } from "@/design/fields";
import { Dialog, say } from "@/design/overlays";

export default function Password({ onOpen }: { onOpen: (open: boolean) => void }) {
  const [wrong, setWrong] = useState<string | null>(null);
  const change = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "");
    if (text("new") !== text("again")) {
      setWrong("The two are not the same.");
      return;
    }
    try {
      await api.PUT("/api/v1/me/password", { body: { old: text("old"), new: text("new") } });
      say("The password is changed; your other sessions have ended");
      onOpen(false);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Dialog title="Change password" says="Your sessions in other browsers end." open onOpen={onOpen}>
      <form onSubmit={change} style={{ display: "contents" }}>
        <Input
          label="Password as it is"
          name="old"
          type="password"
          autoComplete="current-password"
          required
          autoFocus
        />
        <Input label="New password" name="new" type="password" autoComplete="new-password" required />
        <Input
          label="New password again"
          name="again"
          type="password"
          autoComplete="new-password"
          required
          wrong={wrong}
        />
        <div>
          <Button look="main" type="submit">
            Change password
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
