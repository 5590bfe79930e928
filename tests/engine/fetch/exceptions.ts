/** The laws that the fetch engine fails, and why. `scripts/engine-docs.ts` writes them into `docs/engines.md`. */

import type { Exceptions } from "../../laws/engine-laws.ts";

export const fetchExceptions: Exceptions = {
  "forwards the request target byte for byte": "the runtime's HTTP server normalizes URLs",
  "keeps the case, order, duplicates and bytes above 0x7f of headers, and adds no others":
    "headers pass through a Headers object, which normalizes them",
  "keeps the Content-Length framing of large responses":
    "the runtime's HTTP server sends streamed bodies chunked",
  "forwards 103 Early Hints and trailers": "fetch() does not expose them",
  "responds to pipelined requests in order":
    "the runtime's HTTP server closes the connection on a second pipelined request",
};
