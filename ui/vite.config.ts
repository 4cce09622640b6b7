import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server that `npm run dev` talks to; a page that is developed has to sign in by its link like any other.
const SERVER = process.env.REACTOR_URL ?? "http://127.0.0.1:5000";

export default defineConfig({
  base: "/ui/",
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  // `server/control_room.py` puts a fresh nonce in its place with every answer.
  html: { cspNonce: "__NONCE__" },
  build: {
    outDir: "../src/reactor/server/ui",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/login", "/logout", "/events", "/openapi.json"].map((path) => [path, { target: SERVER }]),
    ),
  },
  test: { environment: "node", include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
