import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function EventPage() {
  return (
    <Page title="Event">
      <Loading />
    </Page>
  );
}
