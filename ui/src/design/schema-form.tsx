/** A form made of a JSON Schema: a field for each property, maps within maps, what is wrong said in place. */
import { useState } from "react";
import { Check, Input, Select, TextArea } from "./fields";
import { choiceText, type Draft, drafted, fieldsOf, kindOf, type Schema, type Wrongs } from "./schema";
import css from "./schema-form.module.css";

interface FormProps {
  schema: Schema;
  draft: Draft;
  onChange: (draft: Draft) => void;
  wrongs: Wrongs;
  /** Names of secrets that may be chosen; undefined: they are not known here, the reference is written. */
  secrets?: readonly string[];
  /** Where this form stands in the whole. */
  at?: string;
}

export function SchemaForm({ schema, draft, onChange, wrongs, secrets, at = "" }: FormProps) {
  return (
    <div className={css.form}>
      {fieldsOf(schema).map(([name, field]) => (
        <Field
          key={name}
          name={name}
          field={field}
          needed={schema.required?.includes(name) ?? false}
          typed={Object.hasOwn(draft, name) ? draft[name] : undefined}
          onChange={(value) => onChange({ ...draft, [name]: value })}
          {...{ wrongs, secrets, at }}
        />
      ))}
    </div>
  );
}

interface FieldProps {
  name: string;
  field: Schema;
  needed: boolean;
  typed: Draft[string];
  onChange: (value: Draft[string]) => void;
  wrongs: Wrongs;
  secrets?: readonly string[];
  at: string;
}

function Field(props: FieldProps) {
  const { name, field, needed, typed, onChange, wrongs, at } = props;
  const kind = kindOf(field);
  const open = !needed && (field.default === undefined || field.default === null);
  const label = `${field.title ?? name}${open ? " (may be empty)" : ""}`;
  if (kind === "map") return <MapField {...props} />;
  if (kind === "boolean") {
    return (
      <div>
        <Check
          label={field.title ?? name}
          checked={typed === true}
          onChange={(event) => onChange(event.target.checked)}
        />
        {field.description && <p className={css.hint}>{field.description}</p>}
      </div>
    );
  }
  const about = { label, hint: field.description, wrong: wrongs[`${at}${name}`], required: needed };
  const text = typeof typed === "string" ? typed : "";
  const typing = { value: text, onChange: (event: { target: { value: string } }) => onChange(event.target.value) };
  if (kind === "choice") {
    const options = (field.enum ?? []).map((one) => [JSON.stringify(one), choiceText(one)] as const);
    return <Select {...about} {...typing} options={[["", "–"], ...options]} />;
  }
  if (kind === "secret") return <SecretField {...about} text={text} onChange={onChange} secrets={props.secrets} />;
  if (kind === "long" || kind === "json" || kind === "list") {
    const hint = [field.description, kind === "list" ? "One a line." : kind === "json" ? "As JSON." : ""];
    return <TextArea {...about} {...typing} rows={3} hint={hint.filter(Boolean).join(" ")} />;
  }
  if (kind === "integer" || kind === "number") return <Input {...about} {...typing} inputMode="decimal" />;
  return <Input {...about} {...typing} type={kind === "date" ? "date" : kind === "time" ? "datetime-local" : "text"} />;
}

function MapField({ name, field, needed, typed, onChange, wrongs, secrets, at }: FieldProps) {
  const there = typeof typed === "object" && typed !== null;
  const inner = there ? typed : {};
  return (
    <fieldset className={css.map}>
      <legend className={needed ? "" : "unseen"}>{field.title ?? name}</legend>
      {!needed && (
        <Check
          label={field.title ?? name}
          checked={there}
          onChange={(event) => onChange(event.target.checked ? drafted(field) : undefined)}
        />
      )}
      {field.description && <p className={css.hint}>{field.description}</p>}
      {(there || needed) && (
        <SchemaForm schema={field} draft={inner} onChange={onChange} {...{ wrongs, secrets }} at={`${at}${name}.`} />
      )}
    </fieldset>
  );
}

const OTHER = "other";

/** A secret is only named here; its value is set elsewhere and is never seen again. */
function SecretField({
  text,
  onChange,
  secrets,
  hint,
  ...about
}: {
  label: string;
  hint?: string;
  wrong?: string;
  required: boolean;
  text: string;
  onChange: (value: string) => void;
  secrets?: readonly string[];
}) {
  const named = /^\{\{\s*secrets\.([\w.-]+)\s*\}\}$/.exec(text)?.[1];
  const known = named !== undefined && secrets?.includes(named);
  const [other, setOther] = useState(text !== "" && !known);
  const choose = (value: string) => {
    setOther(value === OTHER);
    if (value !== OTHER) onChange(value && `{{ secrets.${value} }}`);
  };
  const typing = { value: text, onChange: (event: { target: { value: string } }) => onChange(event.target.value) };
  const says = [hint, "A secret: chosen by its name."].filter(Boolean).join(" ");
  if (secrets === undefined) return <Input {...about} {...typing} hint={says} placeholder="{{ secrets.NAME }}" />;
  const options = [["", "–"], ...secrets.map((name) => [name, name]), [OTHER, "Another reference …"]] as const;
  return (
    <>
      <Select
        {...about}
        wrong={other ? null : about.wrong}
        hint={says}
        value={other ? OTHER : (named ?? "")}
        onChange={(event) => choose(event.target.value)}
        options={options as readonly (readonly [string, string])[]}
      />
      {other && (
        <Input
          label={`Reference of ${about.label}`}
          wrong={about.wrong}
          placeholder="{{ secrets.NAME }} or {{ env.NAME }}"
          {...typing}
        />
      )}
    </>
  );
}
