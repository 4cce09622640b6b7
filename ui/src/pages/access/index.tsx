import { Page } from "@/design/page";
import { Loading } from "@/design/states";

export default function AccessPage() {
  return (
    <Page title="Access">
      <Loading />
    </Page>
  );
}
