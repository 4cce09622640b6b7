import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function NewFlowPage() {
  return (
    <Page title="New flow">
      <Loading />
    </Page>
  );
}
