/** Preloaded into a program: throws uncaught exceptions on SIGALRM, or as soon as the program has its handler. */

import { writeFileSync } from "node:fs";

// Workers inherit variables of the runtime only.
const { BUN_FAULT_TIMES = "1", BUN_FAULT_AT_START, BUN_FAULT_THROWN } = process.env;

function throwOften(times: number): void {
  for (let i = 0; i < times; i++) setTimeout(() => fail(), 0);
  // Timers fire in order: all errors were thrown before this one.
  setTimeout(() => BUN_FAULT_THROWN && writeFileSync(`${BUN_FAULT_THROWN}.${process.pid}`, ""), 0);
}

function fail(): never {
  throw new Error("a fault for the test");
}

process.on("SIGALRM", () => throwOften(Number(BUN_FAULT_TIMES)));

if (BUN_FAULT_AT_START) {
  const timer = setInterval(() => {
    if (process.listenerCount("uncaughtException") === 0) return;
    clearInterval(timer);
    fail();
  }, 1);
}
