/** Names a request in log, answer and upstream, so that one can be followed through all three. */

import { type Random, randomIndex } from "../lib/random.ts";

/** A client's own id is kept if it is short and plain; anything else could forge log lines. */
const acceptable = /^[\w.:/+=@-]{1,128}$/;

/** The last two digits of all counts, so that an id costs no arithmetic; few enough to stay in the processor's cache. */
const endings: readonly string[] = Array.from({ length: 256 }, (_, count) => hex(count, 2));

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** Makes ids: eight random hex digits for this run, then a count. Unique among runs, cheap, and in order. */
export function requestIds(random: Random): (given: string | undefined) => string {
  const run = hex(randomIndex(random, 2 ** 32), 8);
  let count = 0;
  let beginning = "";
  return (given) => {
    if (given !== undefined && acceptable.test(given)) return given;
    count += 1;
    const ending = count % endings.length;
    if (ending === 0 || count === 1) {
      beginning = `${run}-${hex(Math.floor(count / endings.length), 4)}`;
    }
    return beginning + (endings[ending] as string);
  };
}
