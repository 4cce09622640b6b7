/** Who may come in: people, tokens of the API, and browsers that are signed in. */
import { useFilters } from "@/app/go";
import { useMay } from "@/app/me";
import { Tabs } from "@/design/overlays";
import { Page, Section } from "@/design/page";
import { Sessions } from "./sessions";
import { Tokens } from "./tokens";
import { Users } from "./users";

export default function AccessPage() {
  const [filters, set] = useFilters();
  const admin = useMay("admin");
  const tabs = [
    ...(admin ? [{ value: "users", label: "Users", content: <Users /> }] : []),
    { value: "tokens", label: "Tokens", content: <Tokens /> },
    { value: "sessions", label: "Sessions", content: <Sessions /> },
  ];
  const first = tabs[0]?.value ?? "tokens";
  const tab = tabs.some(({ value }) => value === filters.tab) ? (filters.tab ?? first) : first;
  const says = admin
    ? "Who may come in, and what they may do: viewers look, editors change flows and act on runs, operators also connections and secrets, admins also people."
    : "Your tokens of the API, and the browsers in which you are signed in.";
  return (
    <Page title="Access" says={says}>
      <Section>
        <div style={{ padding: "0 var(--space-3)" }}>
          <Tabs label="Access" value={tab} onChange={(value) => set({ tab: value })} tabs={tabs} />
        </div>
      </Section>
    </Page>
  );
}
