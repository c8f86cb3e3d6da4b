import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig(({ mode }) => ({
  plugins: [react()],
  // The page works in whatever folder it is put.
  base: "./",
  clearScreen: false,
  resolve: {
    // The egress SDK asks for livekit-client as CommonJS: without this the page would hold it twice.
    alias: [{ find: /^livekit-client$/, replacement: fileURLToPath(import.meta.resolve("livekit-client")) }],
  },
  build: {
    target: "chrome120",
    chunkSizeWarningLimit: 1200,
    // The gallery shows the layouts without a room, for tests and for whoever works on their look.
    outDir: mode === "gallery" ? "gallery-dist" : "dist",
    rolldownOptions: { input: page(mode === "gallery" ? "gallery.html" : "index.html") },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"] },
}));
