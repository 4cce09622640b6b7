import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function FlowsPage() {
  return (
    <Page title="Flows">
      <Loading />
    </Page>
  );
}
