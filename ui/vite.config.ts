import { fileURLToPath } from "node:url";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react(), tailwind()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  clearScreen: false,
  server: { host: "127.0.0.1" },
  build: { target: "safari16.4", chunkSizeWarningLimit: 900 },
  test: {
    environment: "jsdom",
    // By itself it leaves one processor to others, which on two of them doubles the time.
    maxWorkers: "100%",
    // Half of the time went into loading the same modules for each file; what they keep is reset after each test.
    isolate: false,
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/test-setup.ts"],
    // Component tests wait for conditions, never for a time; the limit only ends a hung one.
    testTimeout: 30_000,
  },
});
