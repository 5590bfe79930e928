/** The C library on Deno, through its foreign function interface. */

import { loadLibrary } from "../lib/c-library.ts";
import type { SystemCalls } from "./runtime.ts";
import { systemCallsOver } from "./system-calls.ts";

/** The part of Deno's interface that is used: the project is checked with Bun's types. */
declare const Deno: {
  dlopen(
    name: string,
    functions: Readonly<Record<string, { readonly parameters: readonly string[]; readonly result: string }>>,
  ): { readonly symbols: Readonly<Record<string, (...given: unknown[]) => number | bigint>> };
};

const functions = {
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
};

/** Null after all names have failed. */
let loaded: SystemCalls | null | undefined;

/** Loaded at the first call: most processes need none. */
export function denoSystemCalls(): SystemCalls | undefined {
  if (loaded === undefined) loaded = load();
  return loaded ?? undefined;
}

function load(): SystemCalls | null {
  return loadLibrary((name) => {
    const { symbols } = Deno.dlopen(name, functions);
    const call = (called: keyof typeof functions, ...given: unknown[]) => Number(symbols[called]?.(...given));
    return systemCallsOver({
      fcntl: (...given) => call("fcntl", ...given),
      close: (fd) => call("close", fd),
      clock_gettime: (clock, time) => call("clock_gettime", clock, time),
      socket: (...given) => call("socket", ...given),
      sendto: (fd, data, length, { flags, address }) =>
        call("sendto", fd, data, BigInt(length), flags, address, address.length),
    });
  });
}
