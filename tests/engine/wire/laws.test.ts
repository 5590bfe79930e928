/** The wire engine obeys every engine law on Bun's sockets and on node's, without exceptions. */

import { wireEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as denoEngine } from "../../../src/engine/wire/node.ts";
import { engineLaws } from "../../laws/engine-laws.ts";
import { faultInjectionLaws } from "../../laws/fault-injection-laws.ts";

engineLaws(wireEngine);
engineLaws({ ...denoEngine, name: "wire (node:net)" });
faultInjectionLaws(wireEngine);
faultInjectionLaws({ ...denoEngine, name: "wire (node:net)" });
