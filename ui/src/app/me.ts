/** Who is signed in, and what they may do. The server decides; this only keeps away buttons that it would refuse. */
export type Role = "viewer" | "editor" | "operator" | "admin";

export interface Me {
  name: string;
  role: Role;
}

const LADDER: readonly Role[] = ["viewer", "editor", "operator", "admin"];

export function useMe(): Me {
  return { name: "admin", role: "admin" };
}

/** Whether who is signed in may do what needs this role. */
export function useMay(role: Role): boolean {
  return LADDER.indexOf(useMe().role) >= LADDER.indexOf(role);
}
