import { fileURLToPath } from "node:url";

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Where the dispatcher runs while somebody works on the pages; the built pages are served by it and need no proxy. */
const server = process.env["YIJIAN_SERVER"] ?? "http://127.0.0.1:12349";

export default defineConfig({
  plugins: [vue()],
  define: { __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false", __INTLIFY_PROD_DEVTOOLS__: "false", __VUE_I18N_LEGACY_API__: "false", __VUE_I18N_FULL_INSTALL__: "false" },
  build: {
    target: "chrome109",
    cssTarget: "chrome109",
    // Everything is a file of its own: the Content-Security-Policy allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    rolldownOptions: {
      input: {
        console: here("index.html"),
        wall: here("wall.html"),
        call: here("call.html"),
        sw: here("src/phone/sw.ts"),
      },
      output: {
        // The service worker keeps its address for ever: a page asks for it by name.
        // What reads the map's file has its name, so that whoever weighs the pages knows what it is.
        chunkFileNames: (chunk) => (chunk.moduleIds.some((id) => id.includes("/node_modules/pmtiles/")) ? "assets/pmtiles-[hash].js" : "assets/[name]-[hash].js"),
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
  server: { proxy: { "/api": server, "/demo-login": server } },
  test: { environment: "happy-dom", include: ["tests/**/*.test.ts"], restoreMocks: true },
});
