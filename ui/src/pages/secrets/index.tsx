import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function SecretsPage() {
  return (
    <Page title="Secrets">
      <Loading />
    </Page>
  );
}
