/** Logs more to standard error than the pipe and the log's buffer hold, and reports progress on standard output. */

import { configureLog, flushLog, logOf, lostLogLines } from "../../src/lib/log.ts";

configureLog({ json: true, level: "info" });
const log = logOf("test");
for (let i = 0; i < 20_000; i++) log.info("numbered", { i, text: "x".repeat(100) });
process.stdout.write(`lost ${lostLogLines()}\n`);
// A reader that starts now gets the buffered lines, then the number of lost ones.
for await (const _ of process.stdin) log.info("again");
await flushLog();
process.stdout.write("end\n");
