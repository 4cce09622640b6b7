import "@fontsource-variable/inter/wght.css";
import "./design/tokens.css";
import "./design/base.css";
import "./app/theme";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Refusal } from "./api/client";
import { router } from "./app/router";

// Some libraries add a style element; the page's policy lets in only those with its nonce.
const meta = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]');
if (meta?.nonce) setNonce(meta.nonce);

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What the server has refused it will refuse again; that it is away may end.
      retry: (times, error) => !(error instanceof Refusal && error.status < 500) && times < 2,
      refetchOnWindowFocus: true,
    },
  },
});

// Ids are read in the system's own font until the page is there: the first view is 41 KB lighter.
const ofCode = () => void import("@fontsource-variable/jetbrains-mono/wght.css");
if ("requestIdleCallback" in window) requestIdleCallback(ofCode);
else setTimeout(ofCode, 1_000);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
