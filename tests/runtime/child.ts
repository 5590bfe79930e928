/** A child program of the runtime laws: lifts the fetch limit, runs many fetches at once, and prints the results. */

import { runtime } from "#runtime";

import { liftFetchLimit } from "../../src/runtime/fetch-limit.ts";

await liftFetchLimit({ release: () => Promise.resolve(), resume() {} });

const [url = "", count = "0", ...rest] = process.argv.slice(2);
const probed = await runtime.probeHttp({ url: `${url}/probe`, timeoutMs: 10_000, headers: {} });
const fetches = Array.from({ length: Number(count) }, () => fetch(`${url}/together`));
const fetched = (await Promise.all(fetches)).filter((response) => response.ok).length;
console.log(JSON.stringify({ name: runtime.name, pid: process.pid, rest, probed, fetched }));
process.exit(0);
