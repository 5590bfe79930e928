/** What the proxy may ask of a request's head; each engine answers it from what it has, and only when asked. */

import { type Random, randomIndex } from "../lib/random.ts";

export interface RequestHead {
  readonly method: string;
  /** Path and query as received (origin-form), never decoded. */
  readonly target: string;
  /** The Host field: name and port as the client wrote them. */
  readonly host: string;
  /** The peer's IP address, IPv4-mapped IPv6 already shortened to IPv4. */
  readonly clientAddress: string;
  readonly scheme: "http" | "https";
  /** A field's value by its lower-case name, repeated ones joined with ", "; undefined if absent. */
  header(name: string): string | undefined;
}

/** The path without the query. */
export function pathOf(head: RequestHead): string {
  const query = head.target.indexOf("?");
  return query < 0 ? head.target : head.target.slice(0, query);
}

// Names a request in log, answer and upstream, so that one can be followed through all three.

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
