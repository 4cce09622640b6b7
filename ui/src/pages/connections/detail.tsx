/** One connection: its settings, its health, who uses it; test, change, delete. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "@/api/client";
import { Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Json } from "@/design/data";
import { Confirm, Dialog, say } from "@/design/overlays";
import { Facts } from "@/design/page";
import { Strip } from "@/design/states";
import { Status } from "@/design/status";
import { Time } from "@/design/time";
import { span } from "@/format/text";
import { type Connection, useKinds, usersOf } from "./connections";
import css from "./connections.module.css";
import { EditConnection } from "./edit";

export function ConnectionDialog({ one, onClose }: { one: Connection; onClose: () => void }) {
  const [editing, setEditing] = useState(false);
  const may = useMay("operator") && !one.flow;
  if (editing) return <EditConnection one={one} onClose={() => setEditing(false)} onSaved={() => setEditing(false)} />;
  return (
    <Dialog wide open onOpen={(open) => !open && onClose()} title={`Connection ${one.name}`}>
      {one.health === "failing" && one.reason !== one.tested?.message && (
        <Strip tone="bad">{one.reason || "It cannot be reached."}</Strip>
      )}
      {one.flow && (
        <Strip tone="idle">
          It belongs to the flow {one.flow} and is changed in its YAML; what is written out there is not shown.
        </Strip>
      )}
      <Facts items={factsOf(one)} />
      {one.tested && <Tested one={one} />}
      <div>
        <h3>Settings</h3>
        <Json value={one.settings} label="Settings" open={3} />
      </div>
      <div className={css.foot}>
        <Button onClick={onClose}>Close</Button>
        {may && <Forget one={one} onClose={onClose} />}
        {may && <Button onClick={() => setEditing(true)}>Change</Button>}
        {may && <TestNow one={one} />}
      </div>
    </Dialog>
  );
}

function factsOf(one: Connection) {
  return [
    ["Type", one.type],
    ["Health", <Status key="health" value={one.health} />],
    ["Used by", <Users key="users" one={one} />],
    ["Saved", <Time key="saved" at={one.updated_at} />],
  ] as const;
}

function Users({ one }: { one: Connection }) {
  const flows = [...new Set([...one.used_by.map((key) => key.slice(0, key.lastIndexOf("/"))), ...one.flows])];
  if (flows.length === 0) return <span className="quiet">nobody</span>;
  return (
    <span className={css.links}>
      {flows.slice(0, 20).map((flow) => (
        <Go key={flow} to={`/flows/${encodeURIComponent(flow)}`} className="link">
          {flow}
        </Go>
      ))}
      {flows.length > 20 && <span>and {flows.length - 20} more</span>}
    </span>
  );
}

function Tested({ one }: { one: Connection }) {
  const tested = one.tested;
  if (!tested) return null;
  return (
    <Strip tone={tested.ok ? "good" : "bad"}>
      {tested.ok ? "It works: " : "It does not work: "}
      {tested.message} (tested <Time at={tested.at} />, took {span(tested.took_ms)})
    </Strip>
  );
}

/** Whether this kind of connection can be tested is known by its type. */
function TestNow({ one }: { one: Connection }) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const kind = useKinds()?.find((each) => each.name === one.type);
  if (kind && !kind.testable) return null;
  const test = async () => {
    setBusy(true);
    try {
      await data(api.POST("/api/v1/connections/{name}/test", { params: { path: { name: one.name } } }));
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), "bad");
    } finally {
      await client.invalidateQueries({ queryKey: ["connections"] });
      setBusy(false);
    }
  };
  return (
    <Button look="main" disabled={busy} onClick={test}>
      {busy ? "Testing …" : "Test now"}
    </Button>
  );
}

function Forget({ one, onClose }: { one: Connection; onClose: () => void }) {
  const client = useQueryClient();
  const users = usersOf(one);
  const forget = async () => {
    await data(api.DELETE("/api/v1/connections/{name}", { params: { path: { name: one.name } } }));
    say(`Connection ${one.name} deleted`);
    onClose();
    await client.invalidateQueries({ queryKey: ["connections"] });
  };
  return (
    <Confirm
      danger
      title={`Delete connection ${one.name}?`}
      says={
        users
          ? `It is used by ${users}: their triggers will stop listening and their steps will fail until there is another of this name.`
          : "Nobody is known to use it. Flows that choose their connection by an expression are not known here."
      }
      verb="Delete connection"
      trigger={<Button look="danger">Delete</Button>}
      onConfirm={forget}
    />
  );
}
