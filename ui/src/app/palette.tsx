/**
 * Search everywhere, and everything that can be done, by typing a few letters of it (`Ctrl K`).
 *
 * What is known here (pages, actions, flows) is found at once; what only the server knows comes below it and does not
 * move what is there.
 */
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { Search } from "lucide-react";
import { Dialog } from "radix-ui";
import { useState } from "react";
import { place } from "./go";
import css from "./palette.module.css";
import { type Choice, useChoices } from "./palette-choices";
import { RunFlow } from "./run-flow";

export default function Palette({ onOpen, onKeys }: { onOpen: (open: boolean) => void; onKeys: () => void }) {
  const [flow, setFlow] = useState<string | null>(null);
  if (flow !== null) return <RunFlow flow={flow} onOpen={onOpen} />;
  return (
    <Dialog.Root open onOpenChange={onOpen}>
      <Dialog.Portal>
        <Dialog.Overlay className={css.scrim} />
        <Dialog.Content className={css.frame} aria-describedby={undefined}>
          <Dialog.Title className="unseen">Search or do</Dialog.Title>
          <Choices onDone={() => onOpen(false)} onKeys={onKeys} onRunFlow={setFlow} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Choices({
  onDone,
  onKeys,
  onRunFlow,
}: {
  onDone: () => void;
  onKeys: () => void;
  onRunFlow: (flow: string) => void;
}) {
  const [text, setText] = useState("");
  const navigate = useNavigate();
  const { groups, looking, error } = useChoices(text, { onKeys, onRunFlow });
  const choose = (choice: Choice) => {
    if (choice.to) {
      onDone();
      void navigate(place(choice.to) as never);
    } else {
      if (!choice.stays) onDone();
      choice.act?.();
    }
  };
  return (
    <Command shouldFilter={false} loop label="Search or do">
      <div className={css.ask}>
        <Search aria-hidden />
        <Command.Input
          value={text}
          onValueChange={setText}
          placeholder="A flow, a run, an event, a page, or what to do"
        />
      </div>
      <Command.List className={css.list} aria-busy={looking}>
        {groups.map((group) => (
          <Command.Group key={group.title} heading={group.title}>
            {group.choices.map((choice) => (
              <Line key={choice.id} choice={choice} onSelect={() => choose(choice)} />
            ))}
          </Command.Group>
        ))}
        {groups.length === 0 && (
          <p className={css.none} role="status">
            {looking ? "Looking …" : `Nothing here is called ${JSON.stringify(text.slice(0, 80))}.`}
          </p>
        )}
        {error && <p className={css.wrong}>{error.message}</p>}
      </Command.List>
      <div className={css.foot} aria-hidden>
        <span>↑ ↓ choose</span>
        <span>Enter open or do</span>
        <span>Esc close</span>
      </div>
    </Command>
  );
}

function Line({ choice, onSelect }: { choice: Choice; onSelect: () => void }) {
  const Icon = choice.icon;
  return (
    <Command.Item value={choice.id} className={css.item} onSelect={onSelect}>
      <Icon aria-hidden />
      <span className={css.name}>{choice.name}</span>
      {choice.says && <span className={css.says}>{choice.says}</span>}
      {choice.key && <kbd>{choice.key}</kbd>}
    </Command.Item>
  );
}
