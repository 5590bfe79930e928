/** A program for the runtime laws to start: lifts the fetch limit, fetches many times at once, and prints what it saw. */

import { runtime } from "#runtime";

import { liftFetchLimit } from "../../src/runtime/fetch-limit.ts";

liftFetchLimit();

const [url = "", count = "0", ...rest] = process.argv.slice(2);
const probed = await runtime.probeHttp({ url: `${url}/probe`, timeoutMs: 10_000, headers: {} });
const fetches = Array.from({ length: Number(count) }, () => fetch(`${url}/together`));
const fetched = (await Promise.all(fetches)).filter((response) => response.ok).length;
console.log(JSON.stringify({ name: runtime.name, pid: process.pid, rest, probed, fetched }));
process.exit(0);
