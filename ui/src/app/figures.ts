/** The engine in numbers, for what is on every page: the counts in the side bar. */
import { useQuery } from "@tanstack/react-query";
import { api, data } from "@/api/client";
import { useRefresh } from "@/api/refresh";

const KEY = ["metrics"];

/** Also what notices, on a page that has nothing to ask for, that there is no session. */
export function useFigures() {
  useRefresh(["run", "trigger", "flow", "alert", "approval", "letter"], KEY, { every: 2_000 });
  return useQuery({ queryKey: KEY, queryFn: () => data(api.GET("/api/v1/metrics")) });
}
