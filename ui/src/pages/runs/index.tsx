import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function RunsPage() {
  return (
    <Page title="Runs">
      <Loading />
    </Page>
  );
}
