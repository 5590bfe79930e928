/** Verifies bcrypt hashes in a thread of their own, for a runtime without a native bcrypt. */

import { Worker } from "node:worker_threads";

import { userHashProblem } from "../access/user-hash.ts";

export interface BcryptRequest {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

export interface BcryptResponse {
  readonly id: number;
  readonly isRight: boolean;
}

interface Pending {
  resolve(isRight: boolean): void;
  reject(error: unknown): void;
}

/** `idle ──verify──▶ running ──an error──▶ idle`. The thread keeps the process alive only while it works. */
class BcryptThread {
  #worker: Worker | undefined;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  verify(password: string, hash: string): Promise<boolean> {
    const worker = (this.#worker ??= this.#start());
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const request: BcryptRequest = { id: (this.#lastId += 1), password, hash };
    this.#pending.set(request.id, { resolve, reject });
    worker.ref();
    worker.postMessage(request);
    return promise;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./bcrypt-worker.ts", import.meta.url));
    worker.on("message", ({ id, isRight }: BcryptResponse) => {
      this.#pending.get(id)?.resolve(isRight);
      this.#pending.delete(id);
      if (this.#pending.size === 0) worker.unref();
    });
    worker.on("error", (error) => {
      this.#worker = undefined;
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
    return worker;
  }
}

const thread = new BcryptThread();

/** Rejects if `hash` is not a bcrypt hash. */
export async function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  const why = userHashProblem(hash);
  if (why !== undefined) throw new Error(`Cannot verify a password: ${why}`);
  return thread.verify(password, hash);
}
