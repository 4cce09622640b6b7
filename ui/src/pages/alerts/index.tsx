/** What is wrong by the rules, who looks after it, the rules themselves, and what is kept quiet. */
import { useFilters } from "@/app/go";
import { Tabs } from "@/design/overlays";
import { Page, Section } from "@/design/page";
import { Alerts } from "./alerts";
import css from "./alerts.module.css";
import { Rules } from "./rules";
import { Silences } from "./silences";

const TABS = [
  { value: "alerts", label: "Alerts", content: <Alerts /> },
  { value: "rules", label: "Rules", content: <Rules /> },
  { value: "silences", label: "Silences", content: <Silences /> },
];

export default function AlertsPage() {
  const [filters, set] = useFilters();
  const tab = TABS.some(({ value }) => value === filters.tab) ? (filters.tab ?? "alerts") : "alerts";
  return (
    <Page
      title="Alerts"
      says="Reactor looks after itself: rules say what is wrong, and flows that listen for reactor.alert.* tell people."
    >
      <Section>
        <div className={css.tabs}>
          <Tabs label="Alerts" value={tab} onChange={(value) => set({ tab: value })} tabs={TABS} />
        </div>
      </Section>
    </Page>
  );
}
