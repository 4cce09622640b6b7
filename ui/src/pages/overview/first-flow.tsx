/** What is seen by who has just started: the first flow, in three lines. */
import { Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Copy } from "@/design/data";
import { Page, Section } from "@/design/page";
import css from "./overview.module.css";

const FLOW = `name: hello
on: {event: greeting}
steps: [{action: log.info, message: "Hello, {{ event.data.name }}!"}]
`;

export function FirstFlow() {
  const may = useMay("editor");
  const event = `curl ${window.location.origin}/events -d '{"type": "greeting", "data": {"name": "Ann"}}' -H 'content-type: application/json'`;
  return (
    <Page
      title="Overview"
      says="There is no flow yet. A flow says: when X happens, do Y. The first one takes three lines."
      actions={
        may && (
          <Button look="main" asChild>
            <Go to="/flows/new">New flow</Go>
          </Button>
        )
      }
    >
      <div className={css.first}>
        <Section
          title="1. What it is: a name, what starts it, what it does"
          tools={<Copy text={FLOW} label="Copy the flow" />}
          padded
        >
          <Code label="The first flow">{FLOW}</Code>
          <p className="quiet">
            Save it as <code>hello.yaml</code> in the folder of flows, or paste it into “New flow”. It is there at once.
          </p>
        </Section>
        <Section title="2. Let it happen: send an event" tools={<Copy text={event} label="Copy the command" />} padded>
          <Code label="The command">{event}</Code>
          <p className="quiet">The answer names the run that it has started.</p>
        </Section>
        <Section title="3. Look" padded>
          <p>
            This page turns into the overview when the first flow is there.{" "}
            <Go to="/runs" className="link">
              Runs
            </Go>{" "}
            shows every run with each of its steps,{" "}
            <Go to="/events" className="link">
              Events
            </Go>{" "}
            why an event has started something, or why not.
          </p>
        </Section>
      </div>
    </Page>
  );
}

function Code({ label, children }: { label: string; children: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className={css.code} aria-label={label} tabIndex={0}>
      <pre>{children}</pre>
    </section>
  );
}
