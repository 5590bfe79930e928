import { expect, test } from "bun:test";
import { join } from "node:path";

const signals = join(import.meta.dirname, "../../src/runtime/signals.ts");

/** Prints what a process does that gets SIGHUP before its start is over. */
const program = `
import { Signals } from ${JSON.stringify(signals)};
const signals = new Signals("proxy");
process.kill(process.pid, "SIGHUP");
for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
console.log("started");
signals.run({ stop: () => console.log("stopped"), reload: () => console.log("reloaded") });
process.exit(0);
`;

test("a reload that is asked for during the start follows it: the file may have changed since it was read", async () => {
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "inherit" });
  expect(await new Response(child.stdout).text()).toBe("started\nreloaded\n");
});
