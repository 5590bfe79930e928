/** Writes more to standard output than a pipe holds, and reports on standard error that it does not block. */

import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { LineFile, LineWriter } from "../../src/lib/line-writer.ts";

const file = new LineFile("stdout", false);
const writer = new LineWriter({ file, clock: systemClock, schedule: systemSchedule, onLoss() {} });
for (let i = 0; i < 20_000; i++) writer.write(`${i} ${"x".repeat(40)}`);
let ticks = 0;
const timer = setInterval(() => process.stderr.write(`tick ${(ticks += 1)}\n`), 5);
await writer.close();
clearInterval(timer);
