import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function ApprovalsPage() {
  return (
    <Page title="Approvals">
      <Loading />
    </Page>
  );
}
