/** The thread that verifies bcrypt hashes on a runtime without a native bcrypt: one takes from 60 ms to a second. */

import { parentPort } from "node:worker_threads";
import { compareSync } from "bcryptjs";

import type { BcryptRequest, BcryptResponse } from "./bcrypt.ts";

parentPort?.on("message", ({ id, password, hash }: BcryptRequest) => {
  const response: BcryptResponse = { id, isRight: compareSync(password, hash) };
  parentPort?.postMessage(response);
});
