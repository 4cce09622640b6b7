import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function TriggersPage() {
  return (
    <Page title="Triggers">
      <Loading />
    </Page>
  );
}
