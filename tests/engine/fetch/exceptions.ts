/** The laws that the fetch engine fails, and why. `scripts/engine-docs.ts` writes them into `docs/engines.md`. */

import type { Exceptions } from "../../laws/engine-laws.ts";

export const fetchExceptions: Exceptions = {
  "forwards the request target byte for byte": "the runtime's HTTP server normalizes URLs",
  "keeps the case, order, duplicates and bytes above 0x7f of headers, and adds no others":
    "headers pass through a Headers object, which normalizes them",
  "keeps the Content-Length framing of large responses":
    "the runtime's HTTP server sends streamed bodies chunked",
  "closes the connection without a response for hosts that no route names where the listener says so":
    "a fetch handler must return a response; `check` refuses the setting",
  "forwards 103 Early Hints and trailers": "fetch() does not expose them",
  "keeps a client authenticated by NTLM on its connection, whatever other clients do":
    "fetch() chooses the connection of each request; one with NTLM or Negotiate is closed after it",
  "reads a response with empty lines before it, folded fields, spaces before colons or equal lengths in a list":
    "fetch() rejects it",
  "forwards statuses from 600 to 999": "a standard Response has no status above 599",
  "gives an upstream its head timeout again with each interim response":
    "fetch() does not report interim responses",
  "forwards a request with trailers": "the runtime's HTTP server refuses trailers with 400",
  "forwards methods that no standard knows":
    "the runtime's HTTP server closes the connection on a method that it does not know",
  "takes no chunked body for whole before the line after its last chunk has arrived":
    "the runtime's HTTP server does not wait for it",
  "takes chunk lines with whitespace around their extensions":
    "the runtime's HTTP server refuses them with 400",
  "reads HTTP/1.2 as HTTP/1.1": "the runtime's HTTP server refuses it with 505",
  "sends no 100 Continue to an HTTP/1.0 client": "the runtime's HTTP server sends it by itself",
  "compresses nothing for a client of HTTP/1.0": "the runtime does not tell the version of a request",
  "upgrades no HTTP/1.0 request": "the runtime does not tell the version of a request",
  "forwards OPTIONS *": "the runtime's HTTP server refuses it with 400",
  "sends the host of an absolute target, or refuses one that Host contradicts":
    "the runtime's HTTP server drops the host of an absolute target",
  "responds to pipelined requests in order":
    "the runtime's HTTP server closes the connection on a second pipelined request",
};
