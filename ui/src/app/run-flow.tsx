/** Start a flow by hand from anywhere: what it is given, then to its run. */
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, data } from "@/api/client";
import { Button } from "@/design/button";
import { TextArea } from "@/design/fields";
import { Dialog } from "@/design/overlays";
import { Go } from "./go";

export function RunFlow({ flow, onOpen }: { flow: string; onOpen: (open: boolean) => void }) {
  const navigate = useNavigate();
  const [wrong, setWrong] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const start = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get("data") ?? "").trim();
    setWrong(null);
    setBusy(true);
    try {
      const run = await begin(flow, text);
      onOpen(false);
      void navigate({ to: run ? `/runs/${run}` : `/flows/${encodeURIComponent(flow)}` } as never);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Run flow ${flow}`} open onOpen={onOpen}>
      <form onSubmit={start} style={{ display: "contents" }}>
        <TextArea
          label="Data of its event (JSON)"
          name="data"
          defaultValue="{}"
          autoFocus
          wrong={wrong}
          hint={
            <>
              Inputs are filled in on{" "}
              <Go to={`/flows/${encodeURIComponent(flow)}`} className="link">
                its page
              </Go>
              .
            </>
          }
        />
        <div>
          <Button look="main" type="submit" disabled={busy}>
            Run flow
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

async function begin(flow: string, text: string): Promise<string | undefined> {
  let given: unknown;
  try {
    given = text === "" ? {} : JSON.parse(text);
  } catch (error) {
    throw new Error(`The data is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const receipt = await data(
    api.POST("/api/v1/flows/{name}/run", { params: { path: { name: flow } }, body: { data: given } as never }),
  );
  return receipt.runs[0]?.id;
}
