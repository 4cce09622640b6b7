/** What can be done with several at once: those that are chosen, or all of a trigger. */
import { api, data } from "@/api/client";
import { Button } from "@/design/button";
import { Confirm, say } from "@/design/overlays";
import { plural } from "@/format/text";
import { drop, each, retry } from "./letters";

export function Many({
  chosen,
  trigger,
  some,
  onDone,
}: {
  chosen: ReadonlySet<string>;
  trigger: string | undefined;
  some: boolean;
  onDone: () => Promise<void>;
}) {
  if (chosen.size === 0) return some ? <DropAll trigger={trigger} onDone={onDone} /> : null;
  const letters = plural(chosen.size, "dead letter");
  const all = async (work: (id: string) => Promise<unknown>, word: string) => {
    const { done, refused, why } = await each(chosen, work);
    if (done) say(`${plural(done, "dead letter")} ${word}`);
    if (refused) say(`${refused} ${refused === 1 ? "was" : "were"} refused: ${why}`, "bad");
    await onDone();
  };
  return (
    <>
      <span className="quiet">{chosen.size} chosen</span>
      <Confirm
        title={`Read ${letters} again?`}
        says="Each is read with its flow as it is now. What can be read then is an event, and starts what fits it."
        verb="Read again"
        trigger={<Button>Read again</Button>}
        onConfirm={() => all(retry, "read again")}
      />
      <Confirm
        danger
        title={`Drop ${letters}?`}
        says="What they hold is lost for ever, and starts nothing."
        verb={`Drop ${letters}`}
        trigger={<Button look="danger">Drop</Button>}
        onConfirm={() => all(drop, "dropped")}
      />
    </>
  );
}

function DropAll({ trigger, onDone }: { trigger: string | undefined; onDone: () => Promise<void> }) {
  const of = trigger ? `of ${trigger}` : "of all triggers";
  const all = async () => {
    const told = await data(api.POST("/api/v1/dead-letters/drop", { body: { trigger: trigger ?? null } }));
    say(`${plural(told.dropped, "dead letter")} dropped`);
    await onDone();
  };
  return (
    <Confirm
      danger
      title={`Drop all dead letters ${of}?`}
      says="All that wait for a decision are lost for ever, also those that are not shown here. They start nothing."
      verb="Drop all"
      trigger={<Button look="danger">Drop all …</Button>}
      onConfirm={all}
    />
  );
}
