/** Writes the JSON Schema for editors: run `bun tests/config/write-schema.ts` after each change of the schema. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { editorSchema } from "../../src/config/schema.ts";

const file = join(import.meta.dirname, "../../public/evenkeel.schema.json");
writeFileSync(file, `${JSON.stringify(editorSchema(), null, 2)}\n`);
