import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function RunPage() {
  return (
    <Page title="Run">
      <Loading />
    </Page>
  );
}
