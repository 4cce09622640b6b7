/** One alert: why, since when, what belongs to it; to be looked after, or kept quiet. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { api, data } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { address, Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Input } from "@/design/fields";
import { Dialog, doing } from "@/design/overlays";
import { Facts } from "@/design/page";
import { Shown, Strip } from "@/design/states";
import { Status } from "@/design/status";
import { Time } from "@/design/time";
import { type Alert, stateOf } from "./alerts";
import css from "./alerts.module.css";
import { inUnit } from "./values";

export function AlertDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const key = ["alerts", "one", id];
  const client = useQueryClient();
  useRefresh(["alert"], key, { only: (change) => change.id === id });
  const query = useQuery({
    queryKey: key,
    queryFn: () => data(api.GET("/api/v1/alerts/{id}", { params: { path: { id } } })),
  });
  const again = () => void client.invalidateQueries({ queryKey: ["alerts"] });
  return (
    <Dialog title={query.data ? titleOf(query.data) : "Alert"} open onOpen={onClose} wide>
      <Shown value={query.data} error={query.error} again={again}>
        {(alert) => (
          <>
            <p>{alert.reason}</p>
            {alert.untold && <Strip tone="warn">Nobody was told: {alert.untold}</Strip>}
            <Facts items={facts(alert)} />
            {alert.state !== "resolved" && <Acts alert={alert} again={again} />}
          </>
        )}
      </Shown>
    </Dialog>
  );
}

function titleOf({ rule, subject }: Alert): string {
  return subject ? `${rule}: ${subject}` : rule;
}

function facts(alert: Alert): (readonly [string, ReactNode])[] {
  const { acknowledged, flow, trigger, unit } = alert;
  const items: (readonly [string, ReactNode] | false)[] = [
    ["State", <Status key="state" value={stateOf(alert)} />],
    ["Severity", <Status key="severity" value={alert.severity} />],
    unit !== "" && ["Value", `${inUnit(alert.value, unit)}, where ${inUnit(alert.threshold, unit)} is the limit`],
    ["First so", <Time key="since" at={alert.since} />],
    ["Fired", <Time key="fired" at={alert.fired_at} />],
    alert.resolved_at !== null && ["Resolved", <Time key="resolved" at={alert.resolved_at} />],
    flow !== null && [
      "Flow",
      <Go key="flow" className="link" to={`/flows/${encodeURIComponent(flow)}`}>
        {flow}
      </Go>,
    ],
    flow !== null && [
      "Its runs",
      <Go key="runs" className="link" to={address("/runs", { flow, status: "failed", finished_since: alert.since })}>
        failed since then
      </Go>,
    ],
    trigger !== null && [
      "Trigger",
      <Go key="trigger" className="link" to={address("/triggers", { flow })}>
        {trigger}
      </Go>,
    ],
    acknowledged !== null && [
      "Looked after by",
      <span key="by">
        {acknowledged.by}, <Time at={acknowledged.at} />
        {acknowledged.note && <>: {acknowledged.note}</>}
      </span>,
    ],
  ];
  return items.filter((item) => item !== false);
}

function Acts({ alert, again }: { alert: Alert; again: () => void }) {
  const [busy, setBusy] = useState(false);
  const may = { edit: useMay("editor"), silence: useMay("operator") };
  const path = { params: { path: { id: alert.id } } };
  const look = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const note = String(new FormData(event.currentTarget).get("note") ?? "");
    setBusy(true);
    await doing(api.POST("/api/v1/alerts/{id}/acknowledge", { ...path, body: { note } }), "You look after it");
    setBusy(false);
    again();
  };
  const silence = async (lasting: string) => {
    const body = { rule: alert.rule, flow: alert.flow, for: lasting, reason: `from the alert ${alert.id}` };
    await doing(api.POST("/api/v1/alerts/silences", { body: body as never }), `Nobody is told of it for ${lasting}`);
    again();
  };
  return (
    <>
      {may.edit && !alert.acknowledged && (
        <form onSubmit={look} className={css.form}>
          <div className={css.whole}>
            <Input label="Note" name="note" maxLength={1_000} placeholder="What is being done about it" />
          </div>
          <div>
            <Button look="main" type="submit" disabled={busy}>
              Acknowledge
            </Button>
          </div>
        </form>
      )}
      {may.silence && !alert.silence && (
        <div className={css.foot}>
          {["1h", "8h", "3d"].map((lasting) => (
            <Button key={lasting} onClick={() => silence(lasting)}>
              Silence for {lasting}
            </Button>
          ))}
        </div>
      )}
    </>
  );
}
