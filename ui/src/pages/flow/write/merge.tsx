/** Two people have changed one flow: both texts, and nobody's is lost. */
import { useState } from "react";
import { Button } from "@/design/button";
import { Dialog } from "@/design/overlays";
import { TextDiff } from "@/editor";
import type { Base } from "./draft";

export function Merge({
  name,
  mine,
  theirs,
  onMine,
  onTheirs,
  onClose,
}: {
  name: string;
  mine: string;
  theirs: Base;
  onMine: (text: string) => void;
  onTheirs: (base: Base) => void;
  onClose: () => void;
}) {
  const [text, setText] = useState(mine);
  return (
    <Dialog
      wide
      open
      onOpen={(open) => !open && onClose()}
      title={`${name} has been changed by somebody else`}
      says="Left is what is kept now, right what you have written; take over with the arrows what you want of both. Nothing is saved before you say so."
      foot={
        <>
          <Button onClick={onClose}>Write on</Button>
          <Button onClick={() => onTheirs(theirs)}>Take what is kept</Button>
          <Button look="main" onClick={() => onMine(text)}>
            Save the right one
          </Button>
        </>
      }
    >
      <TextDiff before={theirs.text} after={mine} labels={["kept now", "yours"]} onChange={setText} />
    </Dialog>
  );
}
