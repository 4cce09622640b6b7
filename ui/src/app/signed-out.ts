/** What happens when the server says that there is no session any more. */
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";

/** A refusal for want of a session leads to the sign-in, and from there back here. */
export function useSignedOut(): void {
  const navigate = useNavigate();
  useEffect(() => {
    const leave = () => {
      const next = window.location.pathname + window.location.search;
      void navigate({ to: "/sign-in", search: { next } } as never);
    };
    window.addEventListener("reactor:signed-out", leave);
    return () => window.removeEventListener("reactor:signed-out", leave);
  }, [navigate]);
}
