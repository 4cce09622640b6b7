/** Setting and forgetting a secret. The value is masked, may have many lines, and is not kept on the page. */
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, data } from "@/api/client";
import { Button } from "@/design/button";
import { Check, Input, TextArea } from "@/design/fields";
import { Confirm, Dialog, say } from "@/design/overlays";
import { Strip } from "@/design/states";
import type { Secret } from ".";
import css from "./secrets.module.css";

export function SetSecret({ name: first, onClose }: { name: string; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(first);
  const [value, setValue] = useState("");
  const [refused, setRefused] = useState("");
  const [busy, setBusy] = useState(false);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setRefused("");
    try {
      const params = { path: { name: name.trim() } };
      await data(api.PUT("/api/v1/secrets/{name}", { params, body: { value } }));
      await client.invalidateQueries({ queryKey: ["secrets"] });
      say(`Secret ${name.trim()} set`);
      onClose();
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      onOpen={(open) => !open && onClose()}
      title={first ? `Change the secret ${first}` : "Set a secret"}
      says="What uses it has the new value from its next step or connection on. It cannot be read here again."
    >
      <form className={css.form} onSubmit={save} autoComplete="off">
        {!first && (
          <Input
            label="Name"
            required
            value={name}
            placeholder="SHOP_TOKEN"
            hint="Letters, digits, _ . and -."
            onChange={(event) => setName(event.target.value)}
          />
        )}
        <Value value={value} onChange={setValue} />
        {refused && (
          <div role="alert">
            <Strip tone="bad">{refused}</Strip>
          </div>
        )}
        <div className={css.foot}>
          <Button onClick={onClose}>Keep as it is</Button>
          <Button look="main" type="submit" disabled={busy || !name.trim() || value === ""}>
            Set secret
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Masked whatever it is; a key of many lines is pasted as it is. */
function Value({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [seen, setSeen] = useState(false);
  const lines = value.split("\n").length;
  return (
    <>
      <TextArea
        label="Value"
        rows={4}
        required
        className={`${css.value} ${seen ? "" : css.masked}`}
        autoComplete="off"
        spellCheck={false}
        value={value}
        hint={
          value
            ? `${value.length} characters in ${lines === 1 ? "one line" : `${lines} lines`}.`
            : "May have many lines, such as a key in PEM."
        }
        onChange={(event) => onChange(event.target.value)}
      />
      <Check label="Show what I type" checked={seen} onChange={(event) => setSeen(event.target.checked)} />
    </>
  );
}

export function ForgetSecret({ one, users }: { one: Secret; users: string }) {
  const client = useQueryClient();
  const forget = async () => {
    await data(api.DELETE("/api/v1/secrets/{name}", { params: { path: { name: one.name } } }));
    say(`Secret ${one.name} deleted`);
    await client.invalidateQueries({ queryKey: ["secrets"] });
  };
  return (
    <Confirm
      danger
      title={`Delete the secret ${one.name}?`}
      says={
        users
          ? `It is used by ${users}. They will fail until it is set again.`
          : "Nobody is known to use it. Its value is lost for ever."
      }
      verb="Delete secret"
      trigger={<Button look="danger">Delete</Button>}
      onConfirm={forget}
    />
  );
}
