/** The laws that the fetch engine fails, and why. `scripts/engine-docs.ts` writes them into `docs/engines.md`. */

import type { Exceptions } from "../../laws/engine-laws.ts";

export const fetchExceptions: Exceptions = {
  "forwards the request target byte for byte": "the runtime's HTTP server normalizes URLs",
  "keeps the case, order, duplicates and bytes above 0x7f of headers, and adds no others":
    "headers pass through a Headers object, which normalizes them",
  "keeps the Content-Length framing of large responses":
    "the runtime's HTTP server sends streamed bodies chunked",
  "forwards 103 Early Hints and trailers": "fetch() does not expose them",
  "keeps a client authenticated by NTLM on its connection, whatever other clients do":
    "fetch() chooses the connection of each request; one with NTLM or Negotiate is closed after it",
  "reads a response with empty lines before it, folded fields, spaces before colons or equal lengths in a list":
    "fetch() rejects it",
  "forwards statuses from 600 to 999": "a standard Response has no status above 599",
  "gives an upstream its head timeout again with each interim response":
    "fetch() does not report interim responses",
  "responds to pipelined requests in order":
    "the runtime's HTTP server closes the connection on a second pipelined request",
};
