import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function AlertsPage() {
  return (
    <Page title="Alerts">
      <Loading />
    </Page>
  );
}
