/** What can be done with a flow as a whole. */
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CirclePause, MoreHorizontal, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { useMay } from "@/app/me";
import { Button, IconButton } from "@/design/button";
import { Confirm, doing, Menu, say } from "@/design/overlays";
import { RunNow } from "./run-now";
import type { FlowWhole } from "./types";

export function FlowActions({ flow }: { flow: FlowWhole }) {
  const may = useMay("editor");
  const [open, setOpen] = useState<"run" | "delete" | null>(null);
  const set = useEnabling(flow.name);
  if (!may) return null;
  const items = [
    flow.enabled
      ? { label: "Disable flow", icon: <CirclePause aria-hidden />, onSelect: () => void set("disable") }
      : { label: "Enable flow", icon: <Play aria-hidden />, onSelect: () => void set("enable") },
    {
      label: "Delete flow …",
      icon: <Trash2 aria-hidden />,
      danger: true,
      disabled: !flow.writable,
      onSelect: () => setOpen("delete"),
    },
  ];
  return (
    <>
      <Button onClick={() => setOpen("run")}>
        <Play aria-hidden />
        Run now …
      </Button>
      <Menu
        items={items}
        trigger={
          <IconButton label={`More for ${flow.name}`} look="normal">
            <MoreHorizontal aria-hidden />
          </IconButton>
        }
      />
      {open === "run" && <RunNow flow={flow} onClose={() => setOpen(null)} />}
      {open === "delete" && <Delete flow={flow} onClose={() => setOpen(null)} />}
    </>
  );
}

function useEnabling(name: string) {
  const client = useQueryClient();
  return async (verb: "enable" | "disable") => {
    const params = { params: { path: { name } } };
    const enable = () => api.POST("/api/v1/flows/{name}/enable", params);
    const disable = () => api.POST("/api/v1/flows/{name}/disable", params);
    const told = verb === "enable" ? "It starts runs again." : "It starts no more runs; those under way go on.";
    await doing(verb === "enable" ? enable() : disable(), told);
    await client.invalidateQueries({ queryKey: ["flows"] });
  };
}

function Delete({ flow, onClose }: { flow: FlowWhole; onClose: () => void }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const remove = async () => {
    const params = { path: { name: flow.name }, query: { etag: flow.etag } };
    await api.DELETE("/api/v1/flows/{name}", { params });
    say(`Flow ${flow.name} is deleted.`);
    await navigate({ to: "/flows" } as never);
    await client.invalidateQueries({ queryKey: ["flows"] });
  };
  return (
    <Confirm
      open
      onOpen={(open) => !open && onClose()}
      danger
      title={`Delete flow ${flow.name}?`}
      says={
        flow.file
          ? `The file ${flow.file} is deleted. Its triggers stop; runs under way go on, and its past stays.`
          : "Its triggers stop; runs under way go on, and its past stays."
      }
      verb="Delete flow"
      onConfirm={remove}
    />
  );
}
