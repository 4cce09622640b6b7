/** A rule as a form that knows its kind, with what it would have said over the last day. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { Button } from "@/design/button";
import { Input, Select } from "@/design/fields";
import { Dialog, say } from "@/design/overlays";
import { Shown } from "@/design/states";
import css from "./alerts.module.css";
import { Previewed } from "./previewed";
import { type Rule, written } from "./rules";
import { labelText, ruleOf } from "./values";

type Kind = Shapes["KindShape"];

const HINTS: Readonly<Record<string, string>> = {
  threshold: "A share (0.5 or 50%), a number, or a time (30s), as the kind wants it.",
  window: "Of which time the runs count: 15m, 1h, 1d.",
  for: "So long it has to be so before it fires.",
  clear: "So long it has to be well again before it is resolved.",
  min_runs: "With fewer runs nothing is said.",
  flow: "A name, with * for any characters; empty: all.",
  labels: "Of flows: team=sales, tier=1",
};

const CHOICES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  severity: [
    ["warning", "warning"],
    ["critical", "critical"],
    ["info", "info"],
  ],
  by: [
    ["flow", "each flow for itself"],
    ["all", "all together"],
  ],
  percentile: [
    ["p95", "p95"],
    ["p50", "p50"],
    ["p99", "p99"],
  ],
  queue: [
    ["events", "events that wait for a commit"],
    ["runs", "runs that wait for their turn"],
    ["lag", "messages that wait at a source"],
  ],
  enabled: [
    ["true", "on"],
    ["false", "off"],
  ],
};

const ORDER = [
  "severity", "threshold", "percentile", "queue", "window", "by", "min_runs", "flow", "labels", "for", "clear", "enabled",
  "description",
]; // biome-ignore format: one line of what a reader is asked, in order

const NAMES: Readonly<Record<string, string>> = {
  for: "For so long",
  clear: "Clear after",
  min_runs: "At least so many runs",
};

export function RuleDialog({ rule, onClose }: { rule: Rule | null; onClose: () => void }) {
  const kinds = useQuery({ queryKey: ["alerts", "kinds"], queryFn: () => data(api.GET("/api/v1/alerts/kinds")) });
  return (
    <Dialog title={rule ? `Rule ${rule.name}` : "New rule"} open onOpen={onClose} wide>
      <Shown value={kinds.data} error={kinds.error}>
        {({ items }) => <RuleForm rule={rule} kinds={items} onClose={onClose} />}
      </Shown>
    </Dialog>
  );
}

function RuleForm({ rule, kinds, onClose }: { rule: Rule | null; kinds: readonly Kind[]; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(rule?.kind ?? kinds[0]?.name ?? "");
  const [wrong, setWrong] = useState<string | null>(null);
  const [preview, setPreview] = useState<Shapes["Preview"] | null>(null);
  const kind = kinds.find((each) => each.name === name);
  const said = (form: HTMLFormElement) =>
    ruleOf(Object.fromEntries(new FormData(form)) as Record<string, string>, kind?.keys ?? []);
  const attempt = async (work: () => Promise<void>) => {
    setWrong(null);
    try {
      await work();
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  const save = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const body = said(event.currentTarget) as never;
    return attempt(async () => {
      if (rule) await api.PUT("/api/v1/alerts/rules/{name}", { params: { path: { name: rule.name } }, body });
      else await api.POST("/api/v1/alerts/rules", { body });
      void client.invalidateQueries({ queryKey: ["alerts"] });
      say("The rule is kept");
      onClose();
    });
  };
  const test = (form: HTMLFormElement | null) =>
    form &&
    attempt(async () => setPreview(await data(api.POST("/api/v1/alerts/rules/test", { body: said(form) as never }))));
  return (
    <form onSubmit={save} className={css.form}>
      <Input label="Name" name="name" defaultValue={rule?.name} readOnly={rule !== null} required wrong={wrong} />
      <Select
        label="Kind"
        name="kind"
        value={name}
        onChange={(event) => setName(event.target.value)}
        options={kinds.map((each) => [each.name, each.name.replaceAll("_", " ")])}
        hint={kind?.doc}
      />
      <Fields key={name} rule={rule} kind={kind} />
      <div className={`${css.foot} ${css.whole}`}>
        <Button look="main" type="submit">
          {rule ? "Keep the rule" : "Add rule"}
        </Button>
        <Button onClick={(event) => test(event.currentTarget.form)}>What would it have said?</Button>
      </div>
      {preview && <Previewed preview={preview} unit={kind?.unit ?? ""} />}
    </form>
  );
}

function Fields({ rule, kind }: { rule: Rule | null; kind: Kind | undefined }) {
  const kept = rule && kind?.name === rule.kind ? written(rule) : {};
  return ORDER.filter((key) => kind?.keys.includes(key)).map((key) => {
    const value = key === "labels" ? labelText((kept.labels as Record<string, string>) ?? {}) : String(kept[key] ?? "");
    const label = NAMES[key] ?? `${key.charAt(0).toUpperCase()}${key.slice(1)}`;
    const options = CHOICES[key];
    if (options)
      return <Select key={key} label={label} name={key} options={options} defaultValue={value || options[0]?.[0]} />;
    const least = key === "threshold" && kind?.threshold !== null ? `${kind?.threshold}` : undefined;
    return <Input key={key} label={label} name={key} defaultValue={value} placeholder={least} hint={HINTS[key]} />;
  });
}
