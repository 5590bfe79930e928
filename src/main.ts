/** The entry of the program: handles signals from the first moment on, then loads the rest. */

import process from "node:process";

import { Signals } from "./runtime/signals.ts";

const signals = new Signals(process.argv[2]);
const { run } = await import("./run.ts");
await run(signals);
