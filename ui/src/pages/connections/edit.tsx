/** The form of a connection, made of what its type takes. Secrets are chosen by name; the server refuses others. */
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, data } from "@/api/client";
import { Go } from "@/app/go";
import { Button } from "@/design/button";
import { Input, Select } from "@/design/fields";
import { Dialog, say } from "@/design/overlays";
import { type Draft, drafted, valuesOf, type Wrongs } from "@/design/schema";
import { SchemaForm } from "@/design/schema-form";
import { Loading, Strip } from "@/design/states";
import { type Connection, type Kind, useKinds, useSecretNames } from "./connections";
import css from "./connections.module.css";

interface Editing {
  one?: Connection;
  onClose: () => void;
  onSaved: (name: string) => void;
}

export function EditConnection({ one, onClose, onSaved }: Editing) {
  const kinds = useKinds();
  return (
    <Dialog
      wide
      open
      onOpen={(open) => !open && onClose()}
      title={one ? `Change connection ${one.name}` : "New connection"}
      says={one ? "Triggers that use it begin anew when it is saved." : undefined}
    >
      {kinds ? <Form {...{ one, onClose, onSaved, kinds }} /> : <Loading lines={5} />}
    </Dialog>
  );
}

function Form({ one, onClose, onSaved, kinds }: Editing & { kinds: Kind[] }) {
  const [type, setType] = useState(one?.type ?? "");
  const [name, setName] = useState(one?.name ?? "");
  const kind = kinds.find((each) => each.name === type);
  const [draft, setDraft] = useState<Draft>(() => (kind ? drafted(kind.form, one?.settings) : {}));
  const [wrongs, setWrongs] = useState<Wrongs>({});
  const { refused, busy, save } = useSaving(onSaved);
  const choose = (next: string) => {
    const form = kinds.find((each) => each.name === next)?.form;
    setType(next);
    setDraft(form ? drafted(form) : {});
    setWrongs({});
    // A connection that is called like its type is taken where none is named.
    if (!name || kinds.some((each) => each.name === name)) setName(next);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!kind) return;
    const made = valuesOf(kind.form, draft, true);
    const all: Wrongs = name.trim() ? made.wrongs : { ...made.wrongs, "": "It needs a name." };
    setWrongs(all);
    if (Object.keys(all).length === 0) void save(name.trim(), type, made.values);
  };
  return (
    <form className={css.form} noValidate onSubmit={submit}>
      <About {...{ one, kinds, type, name, kind }} wrong={wrongs[""]} onType={choose} onName={setName} />
      {kind && <Settings kind={kind} draft={draft} onChange={setDraft} wrongs={wrongs} />}
      {refused && (
        <div role="alert">
          <Strip tone="bad">{refused}</Strip>
        </div>
      )}
      <div className={css.foot}>
        <Button onClick={onClose}>Keep as it is</Button>
        <Button look="main" type="submit" disabled={busy || !kind}>
          Save connection
        </Button>
      </div>
    </form>
  );
}

function useSaving(onSaved: (name: string) => void) {
  const client = useQueryClient();
  const [refused, setRefused] = useState("");
  const [busy, setBusy] = useState(false);
  const save = async (name: string, type: string, settings: Record<string, unknown>) => {
    setBusy(true);
    setRefused("");
    try {
      const body = { type, settings: settings as never };
      await data(api.PUT("/api/v1/connections/{name}", { params: { path: { name } }, body }));
      await client.invalidateQueries({ queryKey: ["connections"] });
      say(`Connection ${name} saved`);
      onSaved(name);
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return { refused, busy, save };
}

function About({
  one,
  kinds,
  type,
  name,
  kind,
  wrong,
  onType,
  onName,
}: {
  one?: Connection;
  kinds: Kind[];
  type: string;
  name: string;
  kind?: Kind;
  wrong?: string;
  onType: (type: string) => void;
  onName: (name: string) => void;
}) {
  if (one) return <p className="quiet">{kind?.doc ?? `There is no type ${type} here any more.`}</p>;
  return (
    <div className={css.pair}>
      <Select
        label="Type"
        value={type}
        hint={kind?.doc}
        options={[["", "What is to be reached?"], ...kinds.map((each) => [each.name, each.name] as const)]}
        onChange={(event) => onType(event.target.value)}
      />
      <Input
        label="Name"
        value={name}
        wrong={wrong}
        hint="What flows call it. One that is called like its type is taken where none is named."
        onChange={(event) => onName(event.target.value)}
      />
    </div>
  );
}

function Settings({
  kind,
  draft,
  onChange,
  wrongs,
}: {
  kind: Kind;
  draft: Draft;
  onChange: (draft: Draft) => void;
  wrongs: Wrongs;
}) {
  const secrets = useSecretNames();
  return (
    <>
      <SchemaForm schema={kind.form} draft={draft} onChange={onChange} wrongs={wrongs} secrets={secrets} />
      <p className="quiet">
        Passwords and keys are secrets:{" "}
        <Go to="/secrets" className={css.underlined}>
          set one first
        </Go>
        , then choose its name.
      </p>
    </>
  );
}
