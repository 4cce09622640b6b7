/** Who is signed in, and what they may do. The server decides; this only keeps away buttons that it would refuse. */
import { useQuery } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";

export type Me = Shapes["Me"];
export type Role = Me["role"];

export const ROLES: readonly Role[] = ["viewer", "editor", "operator", "admin"];

const KEPT = "reactor-me";
/** Until it is known: may look, and no more. */
const NOBODY: Me = {
  name: "",
  role: "viewer",
  via: "session",
  user: null,
  session: null,
  password: false,
  scopes: [],
  flows: [],
};

export function useMe(): Me {
  const me = useQuery({
    queryKey: ["me"],
    queryFn: ask,
    staleTime: 60_000,
    initialData: kept,
    initialDataUpdatedAt: 0,
  });
  return me.data ?? NOBODY;
}

/** Whether who is signed in may do what needs this role. */
export function useMay(role: Role): boolean {
  return ROLES.indexOf(useMe().role) >= ROLES.indexOf(role);
}

export function forgetMe(): void {
  sessionStorage.removeItem(KEPT);
}

async function ask(): Promise<Me> {
  const me = await data(api.GET("/api/v1/me"));
  sessionStorage.setItem(KEPT, JSON.stringify(me));
  return me;
}

/** As it was on the page before this one was loaded, so that buttons do not come in later. */
function kept(): Me | undefined {
  try {
    return (JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Me | null) ?? undefined;
  } catch {
    return undefined;
  }
}
