/** Writes 100 lines to a file that can hold about five, truncates it within the third, writes one more, and prints the number of lost lines. */

import { truncateSync } from "node:fs";

import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { LineFile, LineWriter } from "../../src/lib/line-writer.ts";

const path = process.argv[2] ?? "";
const file = new LineFile(path, false);
const writer = new LineWriter({ file, clock: systemClock, schedule: systemSchedule, onLoss() {} });
for (let i = 0; i < 100; i++) writer.write("x".repeat(99));
await writer.flush();
truncateSync(path, 250);
writer.write("y".repeat(99));
await writer.close();
process.stdout.write(`${writer.lost}`);
