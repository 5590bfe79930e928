/** The wire engine keeps every law, without exception, on Bun's sockets and on node's. */

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { engineLaws } from "../../laws/engine-laws.ts";
import { faultInjectionLaws } from "../../laws/fault-injection-laws.ts";

engineLaws(wireEngine);
engineLaws({ ...denoEngine, name: "wire (node:net)" });
faultInjectionLaws(wireEngine);
faultInjectionLaws({ ...denoEngine, name: "wire (node:net)" });
