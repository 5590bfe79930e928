/** The C library on Bun, through bun:ffi, which the compiled executable has too. */

import { dlopen, ptr } from "bun:ffi";

import { loadLibrary } from "../lib/c-library.ts";
import type { SystemCalls } from "./runtime.ts";
import { systemCallsOver } from "./system-calls.ts";

const functions = {
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
} as const;

/** Null after all names have failed. */
let loaded: SystemCalls | null | undefined;

/** Loaded at the first call: most processes need none. */
export function bunSystemCalls(): SystemCalls | undefined {
  if (loaded === undefined) loaded = load();
  return loaded ?? undefined;
}

function load(): SystemCalls | null {
  return loadLibrary((name) => {
    const { symbols } = dlopen(name, functions);
    return systemCallsOver({
      ...symbols,
      clock_gettime: (clock, time) => symbols.clock_gettime(clock, ptr(time)),
      sendto: (fd, data, length, { flags, address }) =>
        Number(symbols.sendto(fd, ptr(data), length, flags, ptr(address), address.length)),
    });
  });
}
