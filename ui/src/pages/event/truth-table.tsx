/** What a flow's rules said of an event, in the order in which they were asked, with the values that decided. */
import { Status } from "@/design/status";
import css from "./event.module.css";
import { type Answer, resultLook, ruleWords } from "./words";

export function TruthTable({ answers, label }: { answers: readonly Answer[]; label: string }) {
  if (answers.length === 0) return <p className="quiet">No rule was asked.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className={css.frame} aria-label={label} tabIndex={0}>
      <table className={css.truth}>
        <thead>
          <tr>
            <th scope="col">Rule</th>
            <th scope="col">As it stands in the flow</th>
            <th scope="col">Values that decided</th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <tbody>
          {answers.map((answer, number) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the order of asking is what tells them apart
            <Line key={number} answer={answer} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line({ answer }: { answer: Answer }) {
  const [state, words] = resultLook(answer.result);
  return (
    <tr data-result={answer.result}>
      <th scope="row">
        {ruleWords(answer.rule)}
        {answer.trigger && <span className={`${css.of} mono`}>{answer.trigger}</span>}
      </th>
      <td>
        {answer.expression ? <code className={css.code}>{answer.expression}</code> : <span className="quiet">–</span>}
      </td>
      <td>
        <Values values={answer.values} />
      </td>
      <td>
        <Status bare value={state} label={words} />
        {answer.reason && <p className={css.why}>{answer.reason}</p>}
      </td>
    </tr>
  );
}

function Values({ values }: { values: Record<string, unknown> }) {
  const entries = Object.entries(values);
  if (entries.length === 0) return <span className="quiet">–</span>;
  return (
    <dl className={css.values}>
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{clipped(JSON.stringify(value) ?? "undefined")}</dd>
        </div>
      ))}
    </dl>
  );
}

function clipped(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length.toLocaleString("en")} characters)` : text;
}
