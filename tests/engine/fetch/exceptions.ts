/** The laws that the fetch engine cannot keep, and why. The README's table of its limits is checked against this. */

import type { Exceptions } from "../../laws/engine-laws.ts";

export const fetchExceptions: Exceptions = {
  "keeps the target's bytes": "the listener normalises URLs",
  "keeps names' case, order, duplicates and bytes above 0x7f, and invents no field":
    "fields pass through a Headers object",
  "keeps Content-Length framing of large answers": "the listener sends streamed bodies chunked",
  "passes 103 Early Hints and trailers": "the fetch client hides them",
  "answers pipelined requests in order": "the listener closes on a second pipelined request",
};
