/** Says more on standard error than a pipe and its own patience hold, and on standard output that it is not held up. */

import { configureLog, flushLog, logOf, lostLogLines } from "../../src/lib/log.ts";

configureLog({ json: true, level: "info" });
const log = logOf("test");
for (let i = 0; i < 20_000; i++) log.info("said", { i, text: "x".repeat(100) });
process.stdout.write(`lost ${lostLogLines()}\n`);
// Whoever reads now gets what is left, and then hears of what is not.
for await (const _ of process.stdin) log.info("again");
await flushLog();
process.stdout.write("end\n");
