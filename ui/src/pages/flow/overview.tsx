import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { useFilters } from "@/app/go";
import { Section } from "@/design/page";
import { Shown } from "@/design/states";
import { FlowDiagram } from "@/diagram";
import type { FlowWhole } from "./types";

export function Overview({ flow }: { flow: FlowWhole }) {
  const [filters, setFilters] = useFilters();
  const drawing = useQuery({
    queryKey: ["flows", "diagram", flow.name, flow.version],
    queryFn: () => data(api.GET("/api/v1/flows/{name}/diagram", { params: { path: { name: flow.name } } })),
  });
  return (
    <Section title="Steps">
      <Shown value={drawing.data} error={drawing.error} again={() => void drawing.refetch()}>
        {({ diagram, before, after }) => (
          <FlowDiagram
            diagram={diagram}
            before={before}
            after={after}
            selected={filters.step}
            onSelect={(step) => setFilters({ step })}
          />
        )}
      </Shown>
    </Section>
  );
}
