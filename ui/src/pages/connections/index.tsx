import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function ConnectionsPage() {
  return (
    <Page title="Connections">
      <Loading />
    </Page>
  );
}
