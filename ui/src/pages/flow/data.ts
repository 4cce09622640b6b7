/** What the parts of a flow's page ask for, under keys that what happens to the flow makes stale. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { useRefresh } from "@/api/refresh";

export function useFlow(name: string) {
  const about = { only: (said: Record<string, unknown>) => said.name === name || said.flow === name || !said.name };
  useRefresh(["flow", "trigger"], ["flows", "one", name], about);
  return useQuery({
    queryKey: ["flows", "one", name],
    queryFn: ({ signal }) => data(api.GET("/api/v1/flows/{name}", { params: { path: { name } }, signal })),
  });
}

export function useDrawing(name: string, version: number) {
  return useQuery({
    queryKey: ["flows", "diagram", name, version],
    queryFn: ({ signal }) => data(api.GET("/api/v1/flows/{name}/diagram", { params: { path: { name } }, signal })),
  });
}

export function useFigures(name: string) {
  useRefresh(["run"], ["metrics", "flow", name], { every: 2_000, only: (said) => said.flow === name });
  return useQuery({
    queryKey: ["metrics", "flow", name],
    queryFn: async ({ signal }) => {
      const query = { since: "24h", points: 48, flow: name };
      const found = await data(api.GET("/api/v1/metrics/flows", { params: { query }, signal }));
      return { ...found, one: found.items.find((item) => item.flow === name) };
    },
  });
}
