/** The wire engine for Deno: the same machines over `node:net`, so that bytes pass as exactly as on Bun. */

import type { Engine } from "../engine.ts";
import { wireEngineOver } from "./listener.ts";
import { nodeSockets } from "./node.ts";

export const wireEngine: Engine = wireEngineOver(nodeSockets);
