/** Preloaded into a program from its sources: tells over a Unix socket which modules it has loaded, and how its compiler is set. */

const scales: number[] = [];
Bun.unsafe.setJITPolicy = (scale) => void scales.push(scale);

Bun.serve({
  unix: process.env["LOADED_MODULES_SOCKET"] ?? "",
  fetch: () => Response.json({ modules: Object.keys(require.cache), scales }),
});
