/** Whether a backend wants traffic: what its operator says, until it stops; then it never does again. */

import { demoProblem, quoteInput, demoJson } from "./answers.ts";
import { readText } from "./bodies.ts";

/** More than any sensible way to write the body, in bytes. */
const bodyLimit = 1_024;

export class Readiness {
  #request = true;
  #stopping = false;

  get isReady(): boolean {
    return this.#request && !this.#stopping;
  }

  stop(): void {
    this.#stopping = true;
  }

  /** `GET /readyz` */
  response(): Response {
    return this.isReady ? demoJson({ status: "ready" }) : demoJson({ status: "not ready" }, 503);
  }

  /** `POST /admin/ready/` with `{"ready": false}`: takes it over and says what holds now. */
  async change(request: Request): Promise<Response> {
    const text = await readText(request.body, bodyLimit);
    const input = text === undefined ? undefined : readyOf(text);
    if (input === undefined) {
      const received = text === undefined ? `no body of at most ${bodyLimit} bytes` : quoteInput(text);
      return demoProblem(
        400,
        `Cannot change readiness: the body must be {"ready": true} or {"ready": false}, received ${received}`,
      );
    }
    this.#request = input;
    return demoJson({ ready: this.isReady });
  }
}

function readyOf(text: string): boolean | undefined {
  try {
    const given: unknown = JSON.parse(text);
    const ready = typeof given === "object" && given !== null && "ready" in given ? given.ready : undefined;
    return typeof ready === "boolean" ? ready : undefined;
  } catch {
    return undefined;
  }
}
