/** The form of an approval, and the two buttons. The server has the last word; what it refuses is said here. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, data } from "@/api/client";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Input, Select } from "@/design/fields";
import { say } from "@/design/overlays";
import { type Draft, drafted, type Schema, valuesOf, type Wrongs } from "@/design/schema";
import { SchemaForm } from "@/design/schema-form";
import { Strip } from "@/design/states";
import type { Approval } from "./approvals";
import css from "./approvals.module.css";

type Decision = "approve" | "reject";

const ADMIN = "admin";

export function Decide({ one, onClose }: { one: Approval; onClose: () => void }) {
  const client = useQueryClient();
  const schema = one.form as Schema | null;
  const who = useWho(one);
  const [draft, setDraft] = useState<Draft>(() => (schema ? drafted(schema) : {}));
  const [touched, setTouched] = useState(false);
  const [wrongs, setWrongs] = useState<Wrongs>({});
  const [refused, setRefused] = useState("");
  const [busy, setBusy] = useState(false);
  const decide = async (decision: Decision) => {
    const made = schema ? valuesOf(schema, draft) : null;
    // To reject, nothing has to be filled in; what has been is not thrown away.
    const needed = decision === "approve" || touched;
    setWrongs(needed ? (made?.wrongs ?? {}) : {});
    if (needed && made && Object.keys(made.wrongs).length > 0) return;
    setBusy(true);
    setRefused("");
    try {
      const body = { decision, by: who.by, form: (needed ? (made?.values ?? null) : null) as never };
      await data(api.POST("/api/v1/approvals/{id}/decide", { params: { path: { id: one.id } }, body }));
      say(decision === "approve" ? "Approved" : "Rejected");
      await client.invalidateQueries({ queryKey: ["approvals"] });
      // Who opens it again sees it decided.
      client.removeQueries({ queryKey: ["approval", one.id] });
      onClose();
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void decide("approve");
  };
  if (!who.may) return <NotAsked one={one} onClose={onClose} />;
  const change = (next: Draft) => {
    setDraft(next);
    setTouched(true);
  };
  return (
    <form className={css.form} noValidate onSubmit={submit}>
      {schema && <SchemaForm schema={schema} draft={draft} onChange={change} wrongs={wrongs} />}
      {who.field}
      {refused && (
        <div role="alert">
          <Strip tone="bad">{refused}</Strip>
        </div>
      )}
      <div className={css.foot}>
        <Button onClick={onClose}>Keep as it is</Button>
        <Button look="danger" disabled={busy} onClick={() => void decide("reject")}>
          Reject
        </Button>
        <Button look="main" type="submit" disabled={busy}>
          Approve
        </Button>
      </div>
    </form>
  );
}

function NotAsked({ one, onClose }: { one: Approval; onClose: () => void }) {
  return (
    <>
      <Strip tone="idle">
        {one.people.length ? `${one.people.join(", ")} decide here.` : "Your role may not decide; an editor may."}
      </Strip>
      <div className={css.foot}>
        <Button onClick={onClose}>Close</Button>
      </div>
    </>
  );
}

/** In whose name is decided: one's own; whoever has the admin token says in whose. */
function useWho(one: Approval) {
  const me = useQuery({ queryKey: ["me"], queryFn: ({ signal }) => data(api.GET("/api/v1/me", { signal })) }).data;
  const editor = useMay("editor");
  const left = one.people.filter((person) => !one.decisions.some((made) => made.by === person));
  const anybody = me !== undefined && me.user === null && me.name === ADMIN;
  const [named, setName] = useState(left[0] ?? ADMIN);
  const name = left.length === 0 || left.includes(named) ? named : (left[0] as string);
  const asked = one.people.some((person) => person.toLowerCase() === me?.user);
  const may = one.people.length === 0 ? editor : anybody || asked;
  let field = null;
  if (anybody && one.people.length > 0) {
    const options = left.map((person) => [person, person] as const);
    const hint = "The admin token may decide for somebody who is asked; the audit log says so.";
    field = (
      <Select
        label="In the name of"
        hint={hint}
        value={name}
        options={options}
        onChange={(event) => setName(event.target.value)}
      />
    );
  } else if (anybody) {
    const typing = (event: { target: { value: string } }) => setName(event.target.value);
    field = <Input label="In the name of" value={name} maxLength={256} onChange={typing} />;
  }
  return { by: anybody ? name : null, may, field };
}
