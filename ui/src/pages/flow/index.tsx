import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function FlowPage() {
  return (
    <Page title="Flow">
      <Loading />
    </Page>
  );
}
