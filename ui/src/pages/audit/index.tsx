import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function AuditPage() {
  return (
    <Page title="Audit">
      <Loading />
    </Page>
  );
}
