/** Names a request in log, answer and upstream, so that one can be followed through all three. */

import { type Random, randomIndex } from "../lib/random.ts";

/** A client's own id is kept if it is short and plain; anything else could forge log lines. */
const acceptable = /^[\w.:/+=@-]{1,128}$/;

/** Makes ids: eight random hex digits for this run, then a count. Unique among runs, cheap, and in order. */
export function requestIds(random: Random): (given: string | undefined) => string {
  const run = randomIndex(random, 2 ** 32)
    .toString(16)
    .padStart(8, "0");
  let count = 0;
  return (given) => {
    if (given !== undefined && acceptable.test(given)) return given;
    count += 1;
    return `${run}-${count.toString(16).padStart(6, "0")}`;
  };
}
