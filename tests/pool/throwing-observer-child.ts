/** Ejects an upstream of a pool whose observer throws, and prints what is left and what was reported. */

import { first } from "../../src/policy/first.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { failure } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { outlierLimits } from "../support/pool-fixture.ts";
import { testLimits, upstreamsOf } from "../support/upstreams.ts";

process.on("uncaughtException", (error) => process.stdout.write(`reported ${error.message}\n`));

const clock = () => 1;
const throwing = () => {
  throw new Error("a bug in an observer");
};
const limits = { ...testLimits, outlier: { ...outlierLimits, consecutiveFailures: 1 }, maxInFlight: 1 };
const upstreams = upstreamsOf([1, 1], limits);
const pool = new Pool({
  name: "main",
  policy: first(),
  upstreams,
  random: Math.random,
  clock,
  maxEjectedShare: 1,
  observer: { outlierChanged: throwing, panicChanged: throwing },
});
let freed = 0;
let ended = 0;
pool.onCapacity = () => (freed += 1);
for (const upstream of upstreams) pool.recordProbe(upstream, true);
const chosen = pool.select("", []);
if (!chosen) throw new Error("no upstream");
freed = 0;
const attempt = new Attempt(clock, { attemptEnded: () => (ended += 1) }, httpResponseClassifier);
attempt.start(chosen, pool);
attempt.end(failure("head", "upstream_reset"));
process.stdout.write(`${chosen.status} ${chosen.inFlight} in flight, freed ${freed}, ended ${ended}\n`);
