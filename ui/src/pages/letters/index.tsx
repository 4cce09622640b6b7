import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function DeadLettersPage() {
  return (
    <Page title="Dead letters">
      <Loading />
    </Page>
  );
}
