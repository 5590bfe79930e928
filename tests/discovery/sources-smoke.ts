/** The laws of all sources on Deno: `npx deno@2.9.6 test -A tests/discovery/sources-smoke.ts`. */

import { describe, test } from "node:test";
import { lawsByKind } from "./source-worlds.ts";

for (const [kind, laws] of Object.entries(lawsByKind))
  describe(`the source of ${kind} on Deno`, () => {
    for (const { name, check } of laws) test(name, check);
  });
