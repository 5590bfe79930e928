/** The wire engine keeps every law, without exception, on Bun's sockets and on node's. */

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { engineLaws } from "../../laws/engine-laws.ts";
import { rehearsalLaws } from "../../laws/fault-injection-laws.ts";

engineLaws(wireEngine);
engineLaws({ ...denoEngine, name: "wire (node:net)" });
rehearsalLaws(wireEngine);
rehearsalLaws({ ...denoEngine, name: "wire (node:net)" });
