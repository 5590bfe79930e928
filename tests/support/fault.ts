/** Preloaded into a program: throws where nobody catches it, when told to by a signal, or as soon as it starts. */

import { writeFileSync } from "node:fs";

const { FAULT_TIMES = "1", FAULT_AT_START, FAULT_THROWN } = process.env;

function throwOften(times: number): void {
  for (let i = 0; i < times; i++) setTimeout(() => fail(), 0);
  // They come in their order: all have been thrown by now.
  setTimeout(() => FAULT_THROWN && writeFileSync(`${FAULT_THROWN}.${process.pid}`, ""), 0);
}

function fail(): never {
  throw new Error("a fault for the test");
}

process.on("SIGUSR2", () => throwOften(Number(FAULT_TIMES)));

if (FAULT_AT_START) {
  const timer = setInterval(() => {
    if (process.listenerCount("uncaughtException") === 0) return;
    clearInterval(timer);
    fail();
  }, 1);
}
