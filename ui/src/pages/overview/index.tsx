import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function OverviewPage() {
  return (
    <Page title="Overview">
      <Loading />
    </Page>
  );
}
