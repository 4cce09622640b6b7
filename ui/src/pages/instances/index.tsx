import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function InstancesPage() {
  return (
    <Page title="Instances">
      <Loading />
    </Page>
  );
}
