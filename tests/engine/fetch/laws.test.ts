import { fetchEngine } from "../../../src/engine/fetch/bun.ts";
import { engineLaws } from "../../laws/engine-laws.ts";

engineLaws(fetchEngine, {
  "keeps the target's bytes": "the listener normalises URLs",
  "keeps names' case, order, duplicates and bytes above 0x7f, and invents no field": "fields pass through a Headers object",
  "keeps Content-Length framing of large answers": "the listener sends streamed bodies chunked",
  "passes 103 Early Hints and trailers": "the fetch client hides them",
  "answers pipelined requests in order": "the listener closes on a second pipelined request",
});
