/** All keys, by `?`. */
import { Dialog } from "@/design/overlays";
import { KEYS } from "./keys";
import css from "./keys-shown.module.css";

export default function KeysShown({ onOpen }: { onOpen: (open: boolean) => void }) {
  return (
    <Dialog title="Keys" open onOpen={onOpen} wide>
      <div className={css.groups}>
        {KEYS.map(({ title, keys }) => (
          <section key={title} aria-label={title}>
            <h3>{title}</h3>
            <dl>
              {keys.map(([key, does]) => (
                <div key={key}>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
