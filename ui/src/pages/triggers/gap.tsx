/** Taking note of a gap: says plainly what may be missing, and that nothing brings it back. */
import { useQueryClient } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { Confirm, say } from "@/design/overlays";
import type { Trigger } from "./triggers";

export function ConfirmGap({ row, onClose }: { row: Trigger; onClose: () => void }) {
  const client = useQueryClient();
  const at = row.key.lastIndexOf("/");
  const path = { flow: row.key.slice(0, at), index: row.key.slice(at + 1) };
  const confirm = async () => {
    await data(api.POST("/api/v1/triggers/{flow}/{index}/confirm-gap", { params: { path } }));
    await client.invalidateQueries({ queryKey: ["triggers"] });
    say("The gap is taken note of");
  };
  return (
    <Confirm
      open
      onOpen={(open) => !open && onClose()}
      title="Take note of this gap?"
      verb="Take note"
      says={
        <>
          Reactor could not read everything that its source had: {row.gap?.reason}. What was in it has started no run,
          and Reactor cannot fetch it any more. Look at the source itself whether something has to be done by hand. The
          trigger then no longer shows the gap; the event reactor.trigger.gap stays.
        </>
      }
      onConfirm={confirm}
    />
  );
}
