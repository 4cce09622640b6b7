import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function EventsPage() {
  return (
    <Page title="Events">
      <Loading />
    </Page>
  );
}
