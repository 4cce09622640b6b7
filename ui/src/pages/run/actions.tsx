/** What can be done to a run, by its state and by who asks. */
import { useQueryClient } from "@tanstack/react-query";
import { Ban, CirclePause, GitFork, Play, RotateCw } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Input } from "@/design/fields";
import { Confirm, doing } from "@/design/overlays";
import { Fork } from "./fork";
import { isOver, type RunWhole, runKey } from "./queries";

export function Actions({ run }: { run: RunWhole }) {
  const may = useMay("editor");
  const client = useQueryClient();
  const [filters, set] = useFilters();
  const [busy, setBusy] = useState(false);
  if (!may) return null;
  const path = { params: { path: { id: run.id } } };
  const act = async (work: Promise<unknown>, done: string) => {
    setBusy(true);
    await doing(work, done);
    await client.invalidateQueries({ queryKey: runKey(run.id) });
    setBusy(false);
  };
  const over = isOver(run);
  return (
    <>
      {run.status === "paused" && (
        <Button
          look="main"
          disabled={busy}
          onClick={() => act(api.POST("/api/v1/runs/{id}/resume", path), "It goes on.")}
        >
          <Play aria-hidden /> Resume
        </Button>
      )}
      {!over && run.status !== "paused" && (
        <Button
          disabled={busy}
          onClick={() => act(api.POST("/api/v1/runs/{id}/pause", path), "It stops before its next step.")}
        >
          <CirclePause aria-hidden /> Pause
        </Button>
      )}
      {(run.status === "failed" || run.status === "cancelled") && (
        <Button
          look="main"
          disabled={busy}
          onClick={() => act(api.POST("/api/v1/runs/{id}/retry", path), "It is taken up again.")}
        >
          <RotateCw aria-hidden /> Retry
        </Button>
      )}
      <Button onClick={() => set({ fork: "start" })}>
        <GitFork aria-hidden /> Fork
      </Button>
      {!over && <Cancel run={run} onDone={() => client.invalidateQueries({ queryKey: runKey(run.id) })} />}
      {filters.fork && <Fork run={run} from={filters.fork} onClose={() => set({ fork: undefined })} />}
    </>
  );
}

function Cancel({ run, onDone }: { run: RunWhole; onDone: () => void }) {
  const [reason, setReason] = useState("");
  const [open, setOpen] = useState(false);
  const cancel = async () => {
    await api.POST("/api/v1/runs/{id}/cancel", {
      params: { path: { id: run.id } },
      body: { reason: reason.trim() || "by hand" },
    });
    onDone();
  };
  return (
    <Confirm
      title="Cancel this run?"
      says="It stops where it is; its `finally` steps still run, what has an `undo` is taken back, and runs that it has called are cancelled too. It can be retried afterwards."
      verb="Cancel run"
      danger
      open={open}
      onOpen={setOpen}
      onConfirm={cancel}
      trigger={
        <Button look="danger">
          <Ban aria-hidden /> Cancel run
        </Button>
      }
    >
      <Input
        label="Why (stands in the run's history)"
        value={reason}
        maxLength={500}
        placeholder="by hand"
        onChange={(event) => setReason(event.target.value)}
      />
    </Confirm>
  );
}
